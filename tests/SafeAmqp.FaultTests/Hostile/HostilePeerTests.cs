using System.Globalization;
using static SafeAmqp.FaultTests.Support.ScriptedBroker;
using static TestSupport.Wire.Frames;

namespace SafeAmqp.FaultTests.Hostile;

/// <summary>
/// Whole clients against peers that go mad in the middle of a conversation. SAFEAMQP_FUZZ_STREAMS says how many
/// streams.
/// </summary>
public sealed class HostilePeerTests : FaultCase
{
    private int _sent, _frames, _connections;

    [Fact]
    public async Task Whatever_a_peer_sends_ends_a_link_at_most_and_the_client_is_well_when_the_peer_is()
    {
        const int clients = 8;
        int streams = Number("SAFEAMQP_FUZZ_STREAMS", 400), seed = Number("SAFEAMQP_FUZZ_SEED", 1);
        // Several at once, as a stream that ends inside a frame leaves its client waiting for the watchdog.
        await Parallel.ForEachAsync(Enumerable.Range(0, clients),
            new ParallelOptions { MaxDegreeOfParallelism = clients, CancellationToken = Cancelled },
            async (client, _) => await EndureAsync(streams / clients, (seed * 1_000_003) + (client * 100_003)));
        Figure(string.Create(
            CultureInfo.InvariantCulture,
            $"{_sent} mad streams of {_frames:N0} frames over {_connections} connections"));
        Assert.True(_connections > streams / 10, "Links were ended.");
    }

    private async Task EndureAsync(int streams, int seed)
    {
        await using var broker = new ScriptedBroker();
        var log = new Lines();
        bool mad = true;
        int sent = 0;
        broker.OnConsume = (peer, channel, _) =>
        {
            if (!Volatile.Read(ref mad))
                return Delivery(channel, 1, Header(1, 0), [7]);
            byte[] bytes = Madness(new Random(seed + Interlocked.Increment(ref sent)), channel, out int count);
            Interlocked.Increment(ref _sent);
            Interlocked.Add(ref _frames, count);
            return bytes;
        };
        await using var client = new AmqpClient(new AmqpClientOptions
        {
            Uri = broker.Uri,
            ClientName = "fault",
            LoggerFactory = log,
            ReconnectDelay = TimeSpan.FromMilliseconds(1),
            MaxReconnectDelay = TimeSpan.FromMilliseconds(1),
            OperationTimeout = TimeSpan.FromSeconds(1),
            Heartbeat = TimeSpan.FromSeconds(2), // the peer sends none, so this is the longest that a link stays
            ShutdownTimeout = TimeSpan.FromSeconds(1),
        });
        while (Volatile.Read(ref sent) < streams)
        {
            try
            {
                // A consumer may be stopped over what it was sent; the next is then somebody else's.
                await using AmqpSubscription consumer = await client.ConsumeAsync(
                    "q", (_, _) => ValueTask.FromResult(AmqpSettlement.Ack),
                    new AmqpConsumerOptions { StopTimeout = TimeSpan.FromSeconds(1) }, Cancelled);
                int before = Volatile.Read(ref sent);
                await UntilAsync(
                    () => consumer.Error is not null || Volatile.Read(ref sent) > before + 10 || IsQuiet(client));
            }
            catch (AmqpException)
            {
                // It did not start: the next.
            }
        }
        Volatile.Write(ref mad, false);
        int sane = 0;
        await UntilStartedAsync(client, () => Interlocked.Increment(ref sane));
        await UntilAsync(() => Volatile.Read(ref sane) > 0);
        while (await EndOf(client.PublishAsync(AmqpMessage.ToQueue("k", []), Cancelled)) is { } error)
            Assert.IsType<AmqpUnknownOutcomeException>(error); // its link was taken for dead just then
        Interlocked.Add(ref _connections, broker.Connections);
        Assert.DoesNotContain(log.All, line => line.Contains("bug in SafeAmqp", StringComparison.OrdinalIgnoreCase));
    }

    private static async Task UntilStartedAsync(AmqpClient client, Action handled)
    {
        while (true)
        {
            try
            {
                await client.ConsumeAsync("sane", (_, _) =>
                {
                    handled();
                    return ValueTask.FromResult(AmqpSettlement.Ack);
                }, cancellationToken: Cancelled);
                return;
            }
            catch (AmqpTopologyException)
            {
                // What was sent before still stands in its way.
            }
        }
    }

    // A stream that harmed nothing leaves the link up and everybody waiting: on to the next.
    private static bool IsQuiet(AmqpClient client)
        => client.Status.Links[1] is { State: AmqpLinkState.Open, InState.TotalMilliseconds: > 60 };

    private static byte[] Madness(Random random, ushort channel, out int count)
    {
        var grammar = new FrameGrammar(random.Next());
        using var bytes = new MemoryStream();
        count = random.Next(1, 30);
        for (int i = 0; i < count; i++)
        {
            switch (random.Next(6))
            {
                case 0: grammar.MakeWrong(); break;
                case 1:
                    grammar.MakeRight();
                    grammar.Mutate();
                    break;
                case 2:
                    bytes.Write(
                        Delivery(channel, (ulong)i + 1, Header((ulong)random.Next(3), 0), new byte[random.Next(3)]));
                    continue;
                case 3:
                    grammar.MakeRight();
                    bytes.Write(
                        On(channel, Method(60, 60, Str("consumer"), Long((ulong)i + 1), [0], Str(""), Str("key"))));
                    break;
                default: grammar.MakeRight(); break;
            }
            if (random.Next(2) == 0 && grammar.Changeable.Length > 2)
                grammar.Changeable[2] = (byte)channel; // where somebody listens
            bytes.Write(grammar.Frame);
        }
        return bytes.ToArray();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(255)]
    public async Task A_peer_that_names_its_things_oddly_is_borne(int length)
    {
        // Names, consumer tags and keys of any length and of bytes that are no text.
        string name = new('\u00ff', length);
        var broker = Own(new ScriptedBroker());
        broker.OnConsume = (_, channel, _) =>
        [
            .. On(channel, Method(
                60, 60, Str("consumer"), Long(1), [0], [(byte)length, .. Enumerable.Repeat((byte)0xFF, length)], [
                    (byte)length, .. Enumerable.Repeat((byte)0xC0, length)])),
            .. On(channel, Header(2, 0x0010, [(byte)length, .. Enumerable.Repeat((byte)0, length)])),
            .. On(channel, Body(2)),
        ];
        AmqpClient client = NewClient(broker.Uri);
        var got = new TaskCompletionSource<AmqpDelivery>(TaskCreationOptions.RunContinuationsAsynchronously);
        await client.ConsumeAsync("q", (delivery, _) =>
        {
            got.TrySetResult(delivery);
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        AmqpDelivery odd = await got.Task.WaitAsync(Limit, Cancelled);
        Assert.Equal(2, odd.Body.Length);
        Assert.Equal(name.Length, odd.Message.Exchange.Length);
        await UntilAsync(() => broker.Settled.Any(settled => settled is (80, 1, _)));
        Assert.Equal(1, client.Status.Links[1].Epoch);
    }
}
