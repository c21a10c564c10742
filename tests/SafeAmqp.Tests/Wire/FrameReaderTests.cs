using SafeAmqp.Transport;
using SafeAmqp.Wire;
using static TestSupport.Wire.Frames;

namespace SafeAmqp.Tests.Wire;

public sealed class FrameReaderTests
{
    private const int MaxFrame = 131_072;
    private const long MaxBody = 1_000_000;

    public static TheoryData<string> Violations => [.. Bad.Keys];

    private static Dictionary<string, (FrameRule Rule, byte[] Bytes)> Bad { get; } = new()
    {
        ["frame type 4"] = (FrameRule.FrameType, Frame(4, 0)),
        ["frame type 0"] = (FrameRule.FrameType, Frame(0, 0)),
        ["not the protocol's name"] = (FrameRule.FrameType, "AMQX\0\0\u0009\u0001"u8.ToArray()),
        ["a protocol header later on"] = (FrameRule.FrameType, [.. Heartbeat(), .. "AMQP\0\0\u0009\u0001"u8]),
        ["a frame one byte too large"] = (FrameRule.FrameSize, [3, 0, 1, .. Int(MaxFrame - 8 + 1)]),
        ["a frame of 4 GiB"] = (FrameRule.FrameSize, [1, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF]),
        ["a method without an id"] = (FrameRule.FieldLength, Frame(1, 1, 0, 60)),
        ["a content header of 13 bytes"] = (FrameRule.FrameSize, Frame(2, 1, new byte[13])),
        ["a heartbeat with another end"] = (FrameRule.FrameEnd, [.. Heartbeat()[..^1], 0xCD]),
        ["a body with another end"] = (FrameRule.FrameEnd, [.. Body(10)[..^1], 0]),
        ["a method with another end"] = (FrameRule.FrameEnd, [.. Deliver()[..^1], 0]),
        ["a body over every limit"] = (FrameRule.BodySize, Header((ulong)FrameFormat.MaxBodySize + 1, 0)),
        ["a body of 2^64 - 1"] = (FrameRule.BodySize, Header(ulong.MaxValue, 0)),
        ["a content header of another class"] = (FrameRule.ContentClass, Frame(2, 1, [0, 50, .. new byte[12]])),
        ["a second word of flags"] = (FrameRule.PropertyFlags, Header(0, 0x0001, [0, 0])),
        ["properties that are announced and missing"] = (FrameRule.FieldLength, Header(0, 0x8000)),
        ["a property beyond the frame"] = (FrameRule.FieldLength, Header(0, 0x8000, [200, 1, 2])),
        ["a table beyond the frame"] = (FrameRule.FieldLength, HeaderWithTable([0, 0, 0, 50, 1])),
        ["a table of 4 GiB"] = (FrameRule.FieldLength, HeaderWithTable([0xFF, 0xFF, 0xFF, 0xFF, 1])),
        ["a table that ends after a key"] = (FrameRule.FieldLength, HeaderWithTable(Table(Str("key")))),
        ["a key beyond its table"] = (FrameRule.FieldLength, Header(0, 0x3000, Table([5, 1]), new byte[40])),
        ["a string beyond its table"] = (
            FrameRule.FieldLength, Header(0, 0x3000, Table(Entry("k", (byte)'S', 0, 0, 0, 9)), new byte[40])),
        ["a table beyond its table"] = (
            FrameRule.FieldLength, Header(0, 0x3000, Table(Entry("k", (byte)'F', 0, 0, 0, 9)), new byte[40])),
        ["an array beyond its table"] = (
            FrameRule.FieldLength, Header(0, 0x3000, Table(Entry("k", (byte)'A', 0, 0, 0, 9)), new byte[40])),
        ["an array that cuts its last value"] = (
            FrameRule.FieldLength, HeaderWithTable(Table(Entry("k", [(byte)'A', .. LongBytes([(byte)'l', 0])])))),
        ["an unknown type of value"] = (FrameRule.FieldType, HeaderWithTable(Table(Entry("k", (byte)'Z')))),
        ["a decimal of scale 29"] = (
            FrameRule.FieldType, HeaderWithTable(Table(Entry("k", (byte)'D', 29, 0, 0, 0, 0)))),
        ["tables 65 deep"] = (FrameRule.TableDepth, HeaderWithTable(Nested(65, arrays: false))),
        ["arrays 65 deep"] = (FrameRule.TableDepth, HeaderWithTable(Nested(65, arrays: true))),
        ["server properties 65 deep"] = (FrameRule.TableDepth, Method(
            10, 10, [0, 9], Nested(65, arrays: false), LongStr("PLAIN"), LongStr("en_US"))),
        ["server properties 10,000 deep"] = (FrameRule.TableDepth, Method(
            10, 10, [0, 9], Nested(10_000, arrays: false), LongStr("PLAIN"), LongStr("en_US"))),
        ["a connection.start without locales"] = (
            FrameRule.FieldLength, Method(10, 10, [0, 9], Table(), LongStr("PLAIN"))),
        ["a delivery cut in its consumer tag"] = (FrameRule.FieldLength, Method(60, 60, [9, 1, 2])),
        ["a delivery without a routing key"] = (
            FrameRule.FieldLength, Method(60, 60, Str("ctag"), Long(7), [0], Str("exchange"))),
        ["a return with a long exchange"] = (
            FrameRule.FieldLength, Method(60, 50, Short(312), Str("NO_ROUTE"), [255, 1])),
        ["a get-ok without a count"] = (FrameRule.FieldLength, Method(60, 71, Long(1), [0], Str("x"), Str("k"))),
        ["a channel.close with a long text"] = (FrameRule.FieldLength, Method(20, 40, Short(404), [250, 1], Short(0))),
        ["a connection.close without a method"] = (
            FrameRule.FieldLength, Method(10, 50, Short(320), Str("x"), Short(0))),
        ["a method of no class"] = (FrameRule.Method, Method(99, 99, [1, 2, 3])),
        ["a method that only clients send"] = (FrameRule.Method, Method(60, 40, Short(0), Str("x"), Str("k"), [0])),
        ["an ack without its bits"] = (FrameRule.FieldLength, Method(60, 80, Long(1))),
    };

    [Fact]
    public void A_conversation_is_accepted_wherever_it_is_cut()
    {
        byte[] bytes = Conversation();
        for (int cut = 0; cut <= bytes.Length; cut++)
        {
            FrameReader guard = Guard();
            guard.Check(bytes.AsSpan(0, cut));
            guard.Check(bytes.AsSpan(cut));
            // In step again: a whole frame is accepted, a wrong one is seen.
            guard.Check(Deliver());
            Assert.Throws<FrameViolationException>(() => guard.Check(Frame(4, 0)));
        }
    }

    [Fact]
    public void It_knows_whether_what_came_ends_with_a_frame()
    {
        byte[][] frames = [Heartbeat(), Deliver(), Body(100), Frame(3, 1)];
        byte[] bytes = [.. frames.SelectMany(frame => frame)];
        int[] ends = [0, .. frames.Select((_, i) => frames.Take(i + 1).Sum(frame => frame.Length))];
        for (int cut = 0; cut <= bytes.Length; cut++)
        {
            FrameReader whole = Guard(), slices = Guard();
            whole.Check(bytes.AsSpan(0, cut));
            InSlices(slices, bytes[..cut], 3);
            Assert.Equal(!ends.Contains(cut), whole.IsInsideFrame);
            Assert.Equal(!ends.Contains(cut), slices.IsInsideFrame);
        }
        FrameReader refused = Guard();
        refused.Check("AM"u8);
        Assert.True(refused.IsInsideFrame);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(61)]
    public void A_conversation_is_accepted_in_small_slices(int size)
    {
        FrameReader guard = Guard();
        InSlices(guard, [.. Conversation(), .. Conversation()], size);
        InSlices(guard, Heartbeat(), size);
        Assert.Throws<FrameViolationException>(() => InSlices(guard, Frame(4, 0), size));
    }

    [Theory]
    [MemberData(nameof(Violations))]
    public void A_violation_is_refused_whole_and_byte_by_byte_and_behind_good_frames(string name)
    {
        (FrameRule rule, byte[] bytes) = Bad[name];
        Assert.Equal(rule, Assert.Throws<FrameViolationException>(() => Guard().Check(bytes)).Rule);
        Assert.Equal(rule, Assert.Throws<FrameViolationException>(() => InSlices(Guard(), bytes, 1)).Rule);
        // A protocol header is one only at the very beginning.
        FrameRule later = bytes[0] == 'A' ? FrameRule.FrameType : rule;
        Assert.Equal(
            later, Assert.Throws<FrameViolationException>(() => Guard().Check([.. Conversation(), .. bytes])).Rule);
        Assert.Equal(
            later,
            Assert.Throws<FrameViolationException>(() => InSlices(Guard(), [.. Conversation(), .. bytes], 3)).Rule);
    }

    [Theory]
    [MemberData(nameof(Violations))]
    public void Only_the_slice_that_completes_a_violation_is_refused(string name)
    {
        byte[] bytes = Bad[name].Bytes;
        FrameReader guard = Guard();
        int passed = 0;
        try
        {
            for (; passed < bytes.Length; passed++) guard.Check(bytes.AsSpan(passed, 1));
            Assert.Fail("accepted");
        }
        catch (FrameViolationException)
        {
            // What has passed is never a whole frame that the parser would act on, other than the good one in front.
            int inFrame = name == "a protocol header later on" ? passed - 8 : passed;
            Assert.True(inFrame < 7 || inFrame < bytes.Length);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Tables_64_deep_are_accepted(bool arrays) => Guard().Check(HeaderWithTable(Nested(64, arrays)));

    [Fact]
    public void Limits_themselves_are_accepted()
    {
        FrameReader guard = Guard();
        guard.Check(Body(MaxFrame - 8));
        InSlices(guard, Body(MaxFrame - 8), 4096);
        guard.Check(Header(MaxBody, 0));
        byte[] table = Table(Entry("k", [(byte)'S', .. LongBytes(new byte[MaxFrame - 8 - 14 - 4 - 2 - 5])]));
        byte[] largest = HeaderWithTable(table);
        Assert.Equal(MaxFrame, largest.Length);
        guard.Check(largest);
        InSlices(guard, largest, 4096);
    }

    [Theory]
    [InlineData("414D515000010000", "speaks AMQP 1.0")]
    [InlineData("414D515003010000", "speaks AMQP 1.0")]
    [InlineData("414D515001010800", "another version of AMQP")]
    [InlineData("485454502F312E3120343030", "is a web server")]
    [InlineData("15030300020246", "use amqps://")]
    [InlineData("1603010005", "use amqps://")]
    [InlineData("5353482D322E302D4F70656E535348", "is an SSH server")]
    [InlineData("323230206D61696C", "sent text that is no AMQP")]
    [InlineData("485458", "sent text that is no AMQP")]
    [InlineData("4A0000000A", "sent text that is no AMQP")]
    [InlineData("FF0000000A", "sent bytes that are no AMQP")]
    public void The_first_bytes_say_what_a_peer_is(string bytes, string says)
    {
        byte[] first = Convert.FromHexString(bytes);
        foreach (int size in (int[])[1, 2, 100])
        {
            var error = Assert.Throws<FrameViolationException>(() => InSlices(Guard(), first, size));
            Assert.Contains(says, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_stands_behind_the_last_field_is_left_to_the_client()
    {
        FrameReader guard = Guard();
        guard.Check(Method(60, 80, Long(1), [1], [9, 9, 9]));
        guard.Check(Header(3, 0x1000, [2], [1, 2, 3]));
    }

    [Fact]
    public void Checking_deliveries_allocates_nothing()
    {
        FrameReader guard = Guard();
        byte[] whole = [.. Deliver(), .. FullHeader(300), .. Body(300)];
        guard.Check(whole);
        InSlices(guard, whole, 100);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            guard.Check(whole);
            InSlices(guard, whole, 100);
        }

        // The runtime may allocate a little while it recompiles; one object per round would be 24,000 bytes.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 5_000);
    }

    private static FrameReader Guard() => Reading.Reader(MaxFrame, MaxBody);

    private static void InSlices(FrameReader guard, byte[] bytes, int size)
    {
        for (int at = 0; at < bytes.Length; at += size)
            guard.Check(bytes.AsSpan(at, Math.Min(size, bytes.Length - at)));
    }
}
