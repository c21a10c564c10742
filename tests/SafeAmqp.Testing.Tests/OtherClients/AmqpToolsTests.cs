namespace SafeAmqp.Testing.Tests.OtherClients;

/// <summary>
/// Debian's amqp-tools, that is librabbitmq, a client in C: the same commands against both brokers, printing the same.
/// </summary>
public sealed class AmqpToolsTests(BrokerPairs brokers)
{
    private readonly string _id = "tools" + Guid.NewGuid().ToString("N")[..8];

    [Theory]
    [InlineData("declare, publish, get, delete")]
    [InlineData("get from an empty queue")]
    [InlineData("get from a missing queue")]
    [InlineData("consume with acknowledgements and a prefetch")]
    [InlineData("consume a queue of its own bound to an exchange")]
    [InlineData("lines of a file with headers and properties")]
    [InlineData("publish to a missing exchange")]
    [InlineData("declare a reserved name")]
    [InlineData("a wrong password")]
    [InlineData("an unknown virtual host")]
    [InlineData("a large body")]
    public async Task Print_the_same_on_both(string what)
    {
        string expected = await PlayAsync(what, brokers.Newest.RabbitMq);
        string observed = await PlayAsync(what, brokers.Embedded.Uri);
        Assert.NotEmpty(expected);
        Assert.True(expected == observed, $"RabbitMQ:\n{expected}\nEmbedded:\n{observed}");
    }

    private async Task<string> PlayAsync(string what, Uri uri)
    {
        string url = OtherUris.For(uri), q = $"{_id}.q";
        var printed = new List<string>();
        switch (what)
        {
            case "declare, publish, get, delete":
                await RunAsync("amqp-declare-queue", "-q", q, "-d");
                await RunAsync("amqp-publish", "-r", q, "-p", "-C", "text/plain", "-b", "größe");
                await RunAsync("amqp-get", "-q", q);
                await RunAsync("amqp-delete-queue", "-q", q);
                break;
            case "get from an empty queue":
                await RunAsync("amqp-declare-queue", "-q", q);
                await RunAsync("amqp-get", "-q", q);
                await RunAsync("amqp-delete-queue", "-q", q, "-e");
                break;
            case "get from a missing queue":
                await RunAsync("amqp-get", "-q", q);
                break;
            case "consume with acknowledgements and a prefetch":
                await RunAsync("amqp-declare-queue", "-q", q);
                for (int i = 0; i < 5; i++)
                    await RunAsync("amqp-publish", "-r", q, "-b", $"{i} ");
                await RunAsync("amqp-consume", "-q", q, "-p", "2", "-c", "3", "cat");
                await RunAsync("amqp-get", "-q", q);
                await RunAsync("amqp-delete-queue", "-q", q);
                break;
            case "consume a queue of its own bound to an exchange":
                await ConsumeWhilePublishingAsync();
                break;
            case "lines of a file with headers and properties":
                await RunAsync("amqp-declare-queue", "-q", q);
                printed.Add(await Programs.PrintAsync(
                    "amqp-publish",
                    ["-u", url, "-r", q, "-l", "-H", "color: red", "-t", "reply", "-E", "utf-8"],
                    "one\ntwo\nthree\n"));
                await RunAsync("amqp-consume", "-q", q, "-A", "-c", "3", "cat");
                await RunAsync("amqp-delete-queue", "-q", q);
                break;
            case "publish to a missing exchange":
                await RunAsync("amqp-publish", "-e", $"{_id}.x", "-r", "k", "-b", "m");
                break;
            case "declare a reserved name":
                await RunAsync("amqp-declare-queue", "-q", "amq.mine");
                break;
            case "a wrong password":
                url = url.Replace("guest:guest", "guest:wrong", StringComparison.Ordinal);
                await RunAsync("amqp-get", "-q", q);
                break;
            case "an unknown virtual host":
                url = url.Replace("%2F", "none", StringComparison.Ordinal);
                await RunAsync("amqp-get", "-q", q);
                break;
            case "a large body":
                string body = string.Concat(Enumerable.Repeat("safeamqp", 100_000));
                await RunAsync("amqp-declare-queue", "-q", q);
                printed.Add(await Programs.PrintAsync("amqp-publish", ["-u", url, "-r", q], body));
                printed.Add($"{await Programs.PrintAsync("amqp-get", ["-u", url, "-q", q]) == body}");
                await RunAsync("amqp-delete-queue", "-q", q);
                break;
            default:
                throw new ArgumentException(what, nameof(what));
        }
        return string.Join('\n', printed);

        async Task RunAsync(string tool, params string[] arguments)
            => printed.Add($"{tool}: {await Programs.PrintAsync(tool, ["-u", url, .. arguments])}");

        // The queue is bound some time after the tool has started: messages go out until it has got what it waits for.
        async Task ConsumeWhilePublishingAsync()
        {
            Task<string> consumed = Programs.PrintAsync(
                "amqp-consume", ["-u", url, "-e", "amq.topic", "-r", $"{_id}.#", "-c", "1", "cat"]);
            while (!consumed.IsCompleted)
                await Programs.PrintAsync(
                    "amqp-publish", ["-u", url, "-e", "amq.topic", "-r", $"{_id}.key", "-b", "hello"]);
            printed.Add(System.Text.RegularExpressions.Regex.Replace(await consumed, @"amq\.gen-\S+", "amq.gen-…"));
        }
    }
}
