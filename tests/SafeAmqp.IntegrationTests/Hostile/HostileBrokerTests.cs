using SafeAmqp.Testing;

namespace SafeAmqp.IntegrationTests.Hostile;

/// <summary>
/// A broker that breaks the protocol: the embedded one, on every run, as RabbitMQ cannot be made to. The link ends with
/// a reason, every operation with its own kind of exception, and the next link works.
/// </summary>
public sealed class HostileBrokerTests(TestBroker broker) : FeatureTest(broker)
{
    /// <summary>
    /// How many attacks of a few frames each; more by SAFEAMQP_HOSTILE_ROUNDS, others by SAFEAMQP_FUZZ_SEED.
    /// </summary>
    private static readonly int Rounds = Number("SAFEAMQP_HOSTILE_ROUNDS", 150);

    public static TheoryData<MalformedFrame, AmqpConnectionLayout> Kinds
    {
        get
        {
            var data = new TheoryData<MalformedFrame, AmqpConnectionLayout>();
            foreach (MalformedFrame kind in Enum.GetValues<MalformedFrame>())
            {
                data.Add(kind, AmqpConnectionLayout.Separate);
                data.Add(kind, AmqpConnectionLayout.Shared);
            }
            return data;
        }
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_malformed_frame_ends_the_link_that_it_came_on_with_a_reason_and_the_next_one_works(
        MalformedFrame kind, AmqpConnectionLayout layout)
    {
        await using AmqpTestBroker hostile = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        AmqpClient amqp = await ConnectAsync(layout, options => options.Uri = hostile.Uri.ToString());
        string queue = await NewQueueAsync(amqp);
        var inbox = new Inbox();
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        await PublishAsync(amqp, queue, "before");
        Assert.Equal("before", Text(await inbox.NextAsync()));

        // In place of the confirm, so that it is certain that the link ended of the frame, not of something behind it.
        using FaultScript script = hostile.Script(
            FaultTrigger.Publish().Nth(1), FaultAction.Malformed(kind).Then(FaultAction.DropConfirm()));
        var error = await Assert.ThrowsAsync<AmqpUnknownOutcomeException>(
            () => InTime(amqp.PublishAsync(AmqpMessage.ToQueue(queue, Bytes("during")), Cancelled)));
        Assert.IsNotType<TimeoutException>(error.InnerException);
        Assert.Equal(1, script.Count);
        await UntilAsync(() => amqp.Status.Links[0] is { State: AmqpLinkState.Open, Epoch: 2 });
        Assert.False(string.IsNullOrEmpty(amqp.Status.Links[0].LastError));
        TestContext.Current.TestOutputHelper?.WriteLine($"{amqp.Status.Links[0].LastError}");

        await PublishAsync(amqp, queue, "after");
        await UntilAsync(() => inbox.All.Any(delivery => Text(delivery) == "after"));
        if (layout == AmqpConnectionLayout.Separate)
            Assert.Equal(1, amqp.Status.Links[1].Epoch); // the other link notices nothing
    }

    // An orderly close, which is no error to a socket; the rest of the frame never comes.
    [Theory, MemberData(nameof(Layouts))]
    public async Task A_connection_that_is_closed_inside_a_frame_is_noticed_at_once(AmqpConnectionLayout layout)
    {
        await using AmqpTestBroker hostile = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        AmqpClient amqp = await ConnectAsync(layout, options =>
            (options.Uri, options.MaxReconnectDelay) = (hostile.Uri.ToString(), TimeSpan.FromMilliseconds(100)));
        string queue = await NewQueueAsync(amqp);
        for (int octets = 1; octets <= 20; octets++) // of the confirm, which has 21
        {
            using FaultScript script = hostile.Script(FaultTrigger.Publish().Nth(1), FaultAction.CutAfter(octets));
            long start = TimeProvider.System.GetTimestamp();
            await Assert.ThrowsAsync<AmqpUnknownOutcomeException>(
                () => InTime(amqp.PublishAsync(AmqpMessage.ToQueue(queue, Bytes("m")), Cancelled)));
            await UntilAsync(
                () => amqp.Status.Links[0] is { State: AmqpLinkState.Open } link && link.Epoch == octets + 1);
            // the watchdog would take 45 s
            Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(10));
        }
    }

    [Fact]
    public async Task Whatever_a_broker_sends_operations_end_as_they_should_and_the_client_comes_back()
    {
        int seed = Number("SAFEAMQP_FUZZ_SEED", 1);
        await using AmqpTestBroker hostile = await AmqpTestBroker.StartAsync(
            new AmqpTestBrokerOptions { Seed = seed }, Cancelled);
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.Uri = hostile.Uri.ToString();
            options.PublishTimeout = TimeSpan.FromSeconds(5);
            options.ReconnectDelay = options.MaxReconnectDelay = TimeSpan.FromMilliseconds(20);
            // a connection.close may say 403, which is not tried again for so long
            options.RefusedReconnectDelay = TimeSpan.FromSeconds(1);
        });
        string queue = await NewQueueAsync(amqp);
        var inbox = new Inbox();
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        int frames = 0;
        for (int round = 0; round < Rounds; round++)
        {
            // So that each link has its share: it may not have noticed yet that the last round ended its connection.
            await UntilAsync(() => amqp.Status.IsReady && amqp.Status.Links.All(link => link.Epoch > round),
                $"both links after round {round - 1} of seed {seed}");
            var random = new Random(unchecked(seed * 1_000_003 + round));
            using var octets = new MemoryStream();
            for (int i = random.Next(1, 9); i > 0; i--, frames++)
                octets.Write(
                    FuzzFrames.Next(random, random.Next(3) == 0 ? FuzzFrames.OfClients : FuzzFrames.OfBrokers));
            Task<Exception?>[] publishes = [.. Enumerable.Range(0, 3)
                .Select(_ => EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, Bytes($"{round}")), Cancelled)))];
            await hostile.InjectAsync(FaultAction.Send(octets.ToArray()));
            // What was sent may be the beginning of a frame that never ends, or no error at all: the round ends with
            // the connections.
            await hostile.InjectAsync(FaultAction.Drop());
            foreach (Exception? end in await InTime(Task.WhenAll(publishes)))
                Assert.True(end is null or AmqpException, $"round {round} of seed {seed}: {end}");
            // A frame may have left its mark on the first link after; but a client that is left alone comes back.
            await UntilAsync(
                async () => await EndOf(
                    amqp.PublishAsync(AmqpMessage.ToQueue(queue, Bytes($"mark {round}")), Cancelled)),
                end => end is null,
                $"the client to publish again after round {round} of seed {seed}: {amqp.Status}");
        }
        await UntilAsync(() => subscription.State == AmqpConsumerState.Live);
        await UntilAsync(() => inbox.All.Select(Text).Contains($"mark {Rounds - 1}"));
        await UntilAsync(() => amqp.Status.Links.All(link => link.Epoch > Rounds));
        TestContext.Current.TestOutputHelper?.WriteLine($"{frames} frames in {Rounds} rounds, "
            + $"epochs {string.Join(", ", amqp.Status.Links.Select(link => link.Epoch))}");
    }

    private static async Task<Exception?> EndOf(ValueTask operation)
    {
        try
        {
            await operation.ConfigureAwait(false);
            return null;
        }
        catch (Exception error)
        {
            return error;
        }
    }

    private static int Number(string variable, int otherwise)
        => int.TryParse(Environment.GetEnvironmentVariable(variable), out int number) ? number : otherwise;
}
