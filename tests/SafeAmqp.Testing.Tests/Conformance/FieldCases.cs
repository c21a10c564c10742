using System.Buffers.Binary;
using System.Text.RegularExpressions;
using static TestSupport.Wire.RawClient;

namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>
/// Field tables and property lists octet by octet: every type, what is no type, and what a broker does with either.
/// </summary>
internal static partial class FieldCases
{
    private const ushort HasHeaders = 0x2000;

    private static readonly byte[] Five = [0, 0, 0, 5], LongFive = [0, 0, 0, 0, 0, 0, 0, 5],
        NotANumber = [0x7F, 0xC0, 0, 0];

    /// <summary>A value of each type that there is.</summary>
    private static readonly (string Name, byte[] Field)[] Values =
    [
        ("A", Field('A', Sized(Field('S', LongText("q")), Field('L', LongFive), Field('I', Five)))),
        ("B", Field('B', [0xF0])), ("b", Field('b', [0xF0])), ("D", Field('D', [2, 0xFF, 0xFF, 0xFF, 0x6A])),
        ("d", Field('d', [0x40, 4, 0, 0, 0, 0, 0, 0])), ("F", Field('F', Sized(Named("a", Field('V', []))))),
        ("f", Field('f', [0x40, 0x20, 0, 0])), ("I", Field('I', [0xF0, 1, 2, 3])), ("i", Field('i', [0xF0, 1, 2, 3])),
        ("L", Field('L', [0xF0, 1, 2, 3, 4, 5, 6, 7])), ("l", Field('l', [0xF0, 1, 2, 3, 4, 5, 6, 7])),
        ("S", Field('S', LongText("text"))), ("S that is no text", Field('S', [0, 0, 0, 2, 0xFF, 0xFE])),
        ("s", Field('s', [0xF0, 1])), ("T", Field('T', [0xF0, 1, 2, 3, 4, 5, 6, 7])), ("t", Field('t', [1])),
        ("t that is 5", Field('t', [5])), ("u", Field('u', [0xF0, 1])), ("V", Field('V', [])),
        ("x", Field('x', [0, 0, 0, 2, 0, 0xFF])),
        ("F with a name twice", Field('F', Sized(Named("a", Field('I', Five)), Named("a", Field('L', LongFive))))),
        ("F out of order", Field('F', Sized(Named("b", Field('I', Five)), Named("a", Field('I', Five))))),
        ("L four deep", Field(
            'F', Sized(Named("a", Field('A', Sized(Field('F', Sized(Named("b", Field('L', LongFive)))))))))),
    ];

    /// <summary>Equal and nearly equal values, to be compared with each other.</summary>
    private static readonly (string Name, byte[] Field)[] Fives =
    [
        ("B", Field('B', [5])), ("b", Field('b', [5])), ("s", Field('s', [0, 5])), ("u", Field('u', [0, 5])),
        ("I", Field('I', Five)), ("i", Field('i', Five)), ("l", Field('l', LongFive)), ("L", Field('L', LongFive)),
        ("T", Field('T', LongFive)), ("d", Field('d', [0x40, 0x14, 0, 0, 0, 0, 0, 0])),
        ("f", Field('f', [0x40, 0xA0, 0, 0])), ("D", Field('D', [0, .. Five])), ("S", Field('S', LongText("5"))),
        ("x", Field('x', LongText("5"))), ("t", Field('t', [1])), ("t5", Field('t', [5])), ("V", Field('V', [])),
        ("AI", Field('A', Sized(Field('I', Five)))), ("Al", Field('A', Sized(Field('l', LongFive)))),
        ("AL", Field('A', Sized(Field('L', LongFive)))),
        ("Fab", Field('F', Sized(Named("a", Field('I', Five)), Named("b", Field('I', Five))))),
        ("Fba", Field('F', Sized(Named("b", Field('I', Five)), Named("a", Field('I', Five))))),
    ];

    /// <summary>Entries of a table that cannot be read.</summary>
    private static readonly (string Name, byte[] Entries)[] Unreadable =
    [
        ("a type without a value", Named("k", [(byte)'?'])), ("not a number", Named("k", Field('f', NotANumber))),
        ("infinite", Named("k", Field('d', [0x7F, 0xF0, 0, 0, 0, 0, 0, 0]))),
        ("a number cut short", Named("k", Field('l', [1]))),
        ("a name alone", ShortText("kkk")), ("a name cut short", [9, (byte)'a']),
        ("a text cut short", Named("k", Field('S', [0, 0, 0, 9, 1]))),
        ("a size cut short", Named("k", Field('S', [0, 0]))),
        ("a wrong table in it", Named("k", Field('F', Sized(Named("i", [(byte)'U']))))),
        ("a wrong array in it", Named("k", Field('A', Sized([(byte)'U'])))),
        ("a table cut short", Named("k", Field('F', [0, 0, 0, 9, 1]))),
        ("a wrong one behind a right one", [.. Named("a", Field('I', Five)), .. Named("k", [(byte)'Z'])]),
    ];

    private static readonly (string Name, byte[] Octets)[] Lists =
    [
        ("the flag that continues", [0x20, 1, 0, 0, 0, 0, 0, 0]), ("the unused flag", [0x20, 2, 0, 0, 0, 0]),
        ("one octet", [0x20]), ("nothing", []), ("a text cut short", [0x80, 0, 9, 1]), ("no text", [0x80, 0]),
        ("headers cut short", [0x20, 0, 0, 0, 0, 9, 1]), ("a size cut short", [0x20, 0, 0, 0]),
        ("an octet too many", [0x80, 0, 1, (byte)'a', 5]), ("no delivery mode", [0x10, 0]),
        ("half a time", [0, 0x40, 0, 0]),
        ("a text that is none", [0x80, 0, 2, 0xFF, 0xFE]), ("empty headers", [0x20, 0, 0, 0, 0, 0]),
        .. new byte[] { 0, 1, 2, 3, 255 }.Select(mode => ($"delivery mode {mode}", new byte[] { 0x10, 0, mode })),
    ];

    /// <summary>All fourteen, none of them text where it need not be.</summary>
    private static readonly byte[] Everything =
    [
        0xFF, 0xFC, .. ShortText("type"), 1, 0xFF,
        .. Sized(Named("z", Field('L', LongFive)), Named("b", Field('t', [5]))),
        2, 7, 2, 0xFE, 0xFF, .. ShortText("reply"), .. ShortText("60000"), .. ShortText("id"), .. LongFive,
        .. ShortText("kind"), .. ShortText("guest"), .. ShortText("app"), .. ShortText("cluster"),
    ];

    public static IEnumerable<Case> All =>
    [
        .. Values.Select(v => Published($"a header of type {v.Name}", HeadersOf(Named("k", v.Field)))),
        Published(
            "headers of all types", HeadersOf([.. Values.Select((v, i) => Named($"{(i * 7) % 23:00}", v.Field))])),
        Published("headers out of order and one twice", HeadersOf(
            Named("b", Field('I', Five)), Named("aa", Field('L', LongFive)), Named("B", Field('V', [])),
            Named("b", Field('V', [])),
            Named("x-b", Field('V', [])), Named("x-a", Field('V', [])))),
        .. Lists.Select(l => Published($"properties with {l.Name}", l.Octets)),
        Published("all properties", Everything),
        .. Unreadable.Select(u => Published($"headers with {u.Name}", HeadersOf(u.Entries))),
        .. Unreadable.Select(u => new Case($"fields: a method's table with {u.Name}", async s =>
        {
            using RawClient client = await OpenAsync(s.Uri);
            s.Note(await client.CallAsync(1, 50, 10, [0, 0, .. ShortText(s.Q), 8, .. Sized(u.Entries)]));
        })),
        new("fields: every letter that is no type", UnknownTypes),
        new("fields: a table that is longer than its method", async s =>
        {
            using RawClient client = await OpenAsync(s.Uri);
            s.Note(await client.CallAsync(
                1, 50, 10, [0, 0, .. ShortText("q"), 8, 0, 0, 0, 9, .. Named("k", Field('V', []))]));
        }),
        new("fields: unreadable headers for an exchange that is not there", async s =>
        {
            using RawClient client = await OpenAsync(s.Uri);
            await client.SendAsync(Publish(1, "none", "", [1], HeadersOf(Named("k", [(byte)'?']))));
            s.Note(await client.NextAsync());
        }),
        new("fields: what headers bindings match", Matching),
        new("fields: which bindings are the same", SameBindings),
        .. new[] { 'I', 'i', 'l', 'L', 'u', 'T', 'd', 'D' }
            .Select(type => new Case($"fields: arguments of type {type}", async s =>
        {
            byte[] value = Fives.First(v => v.Name == $"{type}").Field;
            using RawClient client = await OpenAsync(s.Uri);
            byte[] arguments = Sized(Named("x-max-length", value));
            s.Note(await client.CallAsync(
                1, 50, 10, [0, 0, .. ShortText(s.Q), 8, .. Sized(Named("x-max-length", Fives[4].Field))]));
            s.Note(s.Plain(await client.CallAsync(1, 50, 10, [0, 0, .. ShortText(s.Q), 8, .. arguments])));
        })),
        .. Values.Select(v => DeadLettered($"a header of type {v.Name}", HeadersOf(Named("k", v.Field)))),
        DeadLettered("all properties", Everything),
        DeadLettered("no properties", [0, 0]),
        DeadLettered("the unused flag", [0x20, 2, .. Sized(Named("k", Field('L', LongFive)))]),
    ];

    private static byte[] Field(char type, byte[] value) => [(byte)type, .. value];

    private static byte[] Named(string name, byte[] field) => [.. ShortText(name), .. field];

    private static byte[] Sized(params byte[][] parts)
    {
        byte[] content = [.. parts.SelectMany(part => part)];
        return [.. FourOctets(content.Length), .. content];
    }

    private static byte[] HeadersOf(params byte[][] entries)
    {
        byte[] flags = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(flags, HasHeaders);
        return [.. flags, .. Sized(entries)];
    }

    private static Task<string> DeclareAsync(RawClient client, string queue, params byte[][] arguments) =>
        client.CallAsync(1, 50, 10, [0, 0, .. ShortText(queue), 8, .. Sized(arguments)]);

    private static Case Published(string name, byte[] properties) => new($"fields: {name}", async s =>
    {
        using RawClient client = await OpenAsync(s.Uri);
        await DeclareAsync(client, s.Q);
        await client.SendAsync(Publish(1, "", s.Q, [1], properties));
        s.Note(await client.GetAsync(s.Q));
    });

    private static Case DeadLettered(string name, byte[] properties)
        => new($"fields: {name} in a dead letter", async s =>
    {
        using RawClient client = await OpenAsync(s.Uri);
        await DeclareAsync(client, s.Name("dead"));
        await DeclareAsync(client, s.Q, Named("x-dead-letter-exchange", Field('S', LongText(""))),
            Named("x-dead-letter-routing-key", Field('S', LongText(s.Name("dead")))),
            Named("x-message-ttl", Field('I', [0, 0, 0, 0])));
        await client.SendAsync(Publish(1, "", s.Q, [1], properties));
        string got = "method 60.72 on 1";
        await Stage.UntilAsync(async () => (got = await client.GetAsync(s.Name("dead"))) != "method 60.72 on 1");
        string run = Convert.ToHexString(System.Text.Encoding.UTF8.GetBytes(s.Name("")));
        s.Note(Time().Replace(got, "$1…").Replace(run, "…", StringComparison.Ordinal));
    });

    private static async Task UnknownTypes(Stage s)
    {
        for (char letter = '0'; letter <= 'z'; letter++)
        {
            if ("ABDFILSTVbdfilstux".Contains(letter, StringComparison.Ordinal))
                continue;
            using RawClient client = await OpenAsync(s.Uri);
            await client.SendAsync(Publish(1, "", s.Q, [1], HeadersOf(Named("k", Field(letter, LongFive)))));
            s.Note(await client.NextAsync());
        }
    }

    private static async Task Matching(Stage s)
    {
        using RawClient client = await OpenAsync(s.Uri);
        await client.CallAsync(1, 85, 10, [0]);
        foreach ((string wanted, byte[] field) in Fives)
        {
            await DeclareAsync(client, s.Name(wanted));
            await BindAsync(client, s.Name(wanted), 20, field);
        }
        foreach ((string given, byte[] field) in Fives)
        {
            byte[] headers = HeadersOf(Named("k", field), Named("n", Field('S', LongText(given))));
            await client.SendAsync(Publish(1, "amq.headers", "", [1], headers));
            await client.ConfirmedAsync();
        }
        foreach ((string wanted, _) in Fives)
        {
            s.Note($"wanted {wanted}");
            for (string got = ""; got != "method 60.72 on 1"; s.Note(got))
                got = await client.GetAsync(s.Name(wanted));
        }
    }

    private static async Task SameBindings(Stage s)
    {
        using RawClient client = await OpenAsync(s.Uri);
        await client.CallAsync(1, 85, 10, [0]);
        (string Name, byte[] Field)[] some = [.. Fives.Where(f => f.Name is "I" or "l" or "L" or "S" or "x"
            or "d" or "f"
            or "t" or "t5" or "AI" or "Al" or "AL" or "Fab" or "Fba")];
        foreach ((string one, byte[] first) in some)
        {
            foreach ((string other, byte[] second) in some.TakeWhile(f => f.Name != one))
            {
                // Where both are one binding, taking it away once leaves none.
                await DeclareAsync(client, s.Q);
                await BindAsync(client, s.Q, 20, first);
                await BindAsync(client, s.Q, 20, second);
                await BindAsync(client, s.Q, 50, second);
                await client.SendAsync(Publish(1, "amq.headers", "", [1], HeadersOf(Named("k", first))));
                await client.ConfirmedAsync();
                if (await client.GetAsync(s.Q) == "method 60.72 on 1")
                    s.Note($"{one} is {other}");
                await client.CallAsync(1, 50, 40, [0, 0, .. ShortText(s.Q), 0]);
            }
        }
    }

    private static Task<string> BindAsync(RawClient client, string queue, ushort method, byte[] wanted)
    {
        byte[] noWait = method == 20 ? [0] : [];
        byte[] arguments = Sized(Named("x-match", Field('S', LongText("all"))), Named("k", wanted));
        return client.CallAsync(1, 50, method,
            [0, 0, .. ShortText(queue), .. ShortText("amq.headers"), .. ShortText(queue), .. noWait, .. arguments]);
    }

    /// <summary>When it died: <c>time</c> and its eight octets.</summary>
    [GeneratedRegex("(0474696D6554)[0-9A-F]{16}")]
    private static partial Regex Time();
}
