using System.Collections.Concurrent;

namespace SafeAmqp.Telemetry.Tests;

/// <summary>Every exception about the broker says in words why it came to that.</summary>
public sealed class ReasonTests : TelemetryTest
{
    private static readonly ConcurrentDictionary<Type, bool> Walked = [];
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(0.4);

    private static readonly Dictionary<string, (string Words, Func<ReasonTests, Task> Scene)> Scenes = new()
    {
        ["returned"] = ("312 NO_ROUTE. No queue received it", async t =>
            await (await t.ConnectAsync()).PublishAsync(AmqpMessage.ToQueue("nowhere", []), Cancelled)),
        ["nacked"] = ("without a reason (basic.nack): a full queue, or one without a leader", async t =>
        {
            AmqpClient amqp = await t.WithQueueAsync();
            _ = t.Broker.Script(FaultTrigger.Publish(), FaultAction.Nack());
            await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        }
        ),
        ["refused"] = ("404 NOT_FOUND - no exchange 'missing'", async t =>
            await (await t.ConnectAsync()).PublishAsync(AmqpMessage.ToExchange("missing", "", []), Cancelled)),
        ["not sent, blocked"] = (" was not sent: timed out after ", async t =>
            await (await t.BlockedAsync()).PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled)),
        ["not sent, blocked, why"] = ("connection blocked by broker (low on memory) for ", async t =>
            await (await t.BlockedAsync()).PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled)),
        ["not sent, in line"] = ("2 jobs before it, 0 behind it", async t =>
        {
            AmqpClient amqp = await t.BlockedAsync();
            for (int before = 0; before < 2; before++)
                Leave(amqp.PublishAsync(AmqpMessage.ToQueue("q", []), TimeSpan.FromMinutes(1), Cancelled));
            // Time to get in line: what comes there too late is told without its place
            await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), TimeSpan.FromSeconds(2), Cancelled);
        }
        ),
        ["not sent, away"] = ("no open connection to the broker for ", async t =>
            await (await t.AwayAsync()).PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled)),
        ["not sent, away, why"] = ("(last error: ", async t =>
            await (await t.AwayAsync()).PostAsync(AmqpMessage.ToQueue("q", []), Cancelled)),
        ["call not sent, away"] = ("no open connection to the broker for ", async t => await (await t.AwayAsync())
            .CallAsync(AmqpMessage.ToQueue("q", []), new AmqpCallOptions { Timeout = Soon }, Cancelled)),
        ["fixed replies, away"] = ("is not consumed: timed out after ", async t => await t.CallAwayAsync()),
        ["fixed replies, away, why"] = (
            " s: no open connection to the broker for ", async t => await t.CallAwayAsync()),
        ["full, fail"] = (
            "1 publishes (0 bytes) are pending, which is the limit: connection blocked by broker", async t =>
        {
            AmqpClient amqp = await t.BlockedAsync(
                options => (options.MaxPendingMessages, options.FullMode) = (1, AmqpFullMode.Fail));
            Leave(amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled));
            await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        }
        ),
        ["full, wait"] = ("waiting for a free slot, as 1 publishes (0 bytes) are pending, which is the "
            + "limit: connection blocked by broker", async t =>
        {
            AmqpClient amqp = await t.BlockedAsync(options => options.MaxPendingMessages = 1);
            Leave(amqp.PublishAsync(AmqpMessage.ToQueue("q", []), TimeSpan.FromMinutes(1), Cancelled));
            await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        }
        ),
        ["unknown, lost"] = ("was sent and not answered: ", async t =>
        {
            AmqpClient amqp = await t.WithQueueAsync();
            _ = t.Broker.Script(FaultTrigger.Publish(), FaultAction.Reset());
            await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        }
        ),
        ["unknown, unanswered"] = ("was sent and not answered within ", async t =>
            await (await t.UnansweredAsync(TimeSpan.FromSeconds(2))).PublishAsync( // time to be sent
                AmqpMessage.ToQueue("q", []), Cancelled)),
        ["unknown, silent"] = ("nothing was received from the broker for ", async t =>
            await (await t.UnansweredAsync(TimeSpan.FromSeconds(2.5))).PublishAsync(
                AmqpMessage.ToQueue("q", []), Cancelled)),
        ["no reply"] = ("No reply to the message to exchange '', routing key 'q', 0 bytes: timed out after ", async t =>
            await (await t.WithQueueAsync()).CallAsync(
                AmqpMessage.ToQueue("q", []),
                new AmqpCallOptions { Timeout = TimeSpan.FromSeconds(2) },
                Cancelled)),
        ["no reply, why"] = ("The broker had confirmed the request", async t =>
            await (await t.WithQueueAsync()).CallAsync(
                AmqpMessage.ToQueue("q", []),
                new AmqpCallOptions { Timeout = TimeSpan.FromSeconds(2) },
                Cancelled)),
        ["no reply, lost"] = ("the way back was lost: ", async t =>
        {
            AmqpClient amqp = await t.WithQueueAsync();
            Task<AmqpReply> call =
                amqp.CallAsync(AmqpMessage.ToQueue("q", []), cancellationToken: Cancelled).AsTask();
            await t.Broker.WaitUntilAsync(view => view.ReadyCount("q") == 1, cancellationToken: Cancelled);
            await UntilAsync(() => amqp.Status.Links[0].UnconfirmedMessages == 0);
            await t.Broker.InjectAsync(FaultAction.Reset());
            await call;
        }
        ),
        ["remote"] = ("The other side failed on the message to exchange '', routing key 'q', 0 "
            + "bytes: System.InvalidOperationException: broken", async t =>
        {
            AmqpClient amqp = await t.WithQueueAsync();
            await amqp.ServeAsync(
                "q", (_, _) => throw new InvalidOperationException("broken"), cancellationToken: Cancelled);
            await amqp.CallAsync(AmqpMessage.ToQueue("q", []), cancellationToken: Cancelled);
        }
        ),
        ["declaration refused"] = ("queue 'q': 406 PRECONDITION_FAILED", async t => await (await t.WithQueueAsync())
            .DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = "q", Durable = false }), Cancelled)),
        ["poisoned"] = ("The consumer was stopped, as a message in queue 'q' cannot be taken: it has 5000 bytes, "
            + "and MaxMessageSize is 1024.", async t =>
        {
            AmqpClient amqp = await t.WithQueueAsync();
            await amqp.PublishAsync(AmqpMessage.ToQueue("q", new byte[5000]), Cancelled);
            AmqpClient small = await t.ConnectAsync(options => options.MaxMessageSize = 1 << 10);
            await PublishSpanTests.FirstAsync(small, "q");
        }
        ),
        // The deadlines of the channel and of the declaration are the same, and either may be first.
        ["declaration unanswered"] = (" answer", async t =>
        {
            AmqpClient amqp = await t.ConnectAsync(options => options.OperationTimeout = Soon);
            _ = t.Broker.Script(FaultTrigger.QueueDeclare(), FaultAction.Ignore());
            await DeclareAsync(amqp, "late");
        }
        ),
        ["declaration, away"] = ("timed out waiting for the link: no open connection to the broker for ", async t =>
            await DeclareAsync(await t.AwayAsync(), "q")),
        ["consumer, away"] = ("no open connection to the broker for ", async t => await (await t.AwayAsync())
            .ConsumeAsync("q", (_, _) => new(AmqpSettlement.Ack), cancellationToken: Cancelled)),
        ["consumer refused"] = ("Queue 'missing' cannot be consumed: 404 NOT_FOUND", async t =>
            await (await t.ConnectAsync()).ConsumeAsync(
                "missing", (_, _) => new(AmqpSettlement.Ack), cancellationToken: Cancelled)),
        ["connect"] = ("No broker could be reached: ", async t =>
        {
            await t.Broker.StopAsync(Cancelled);
            await t.ConnectAsync(options => options.FirstConnect = AmqpFirstConnect.FailFast);
        }
        ),
        ["connect refused"] = ("The broker refused the connection: 403 ACCESS_REFUSED", async t =>
        {
            _ = t.Broker.Script(FaultTrigger.LogIn(), FaultAction.RefuseAuthentication());
            await t.ConnectAsync(options => options.FirstConnect = AmqpFirstConnect.FailFast);
        }
        ),
    };

    public static TheoryData<string> Names => [.. Scenes.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task An_exception_says_why(string name)
    {
        var error = await Assert.ThrowsAnyAsync<AmqpException>(() => Scenes[name].Scene(this));
        Walked.TryAdd(error.GetType(), true);
        Assert.Contains(Scenes[name].Words, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("guest:guest", error.ToString(), StringComparison.Ordinal);
        if (error is not AmqpRemoteException) // which is about another process
        {
            Assert.NotNull(error.Status);
            Assert.DoesNotContain("link open for", error.Message, StringComparison.Ordinal);
            Assert.Contains("link ", error.ToString(), StringComparison.Ordinal); // the state behind it
        }
    }

    [Fact]
    public async Task No_exception_is_left_out()
    {
        foreach (string name in (string[])["returned", "nacked", "refused", "not sent, away", "unknown, lost",
            "no reply", "remote", "poisoned", "declaration refused", "connect"])
        {
            await using var own = new ReasonTests();
            await own.InitializeAsync();
            Walked.TryAdd((await Assert.ThrowsAnyAsync<AmqpException>(() => Scenes[name].Scene(own))).GetType(), true);
        }
        Assert.Equal(
            typeof(AmqpException).Assembly
                .GetTypes().Where(type => type.IsSubclassOf(typeof(AmqpException))).Select(type => type.Name).Order(),
            // What reads a body throws this one: no client does, so it has no state to show
            Walked.Keys.Select(type => type.Name).Append(nameof(AmqpUnreadableException)).Order());
    }

    // What becomes of it is not this scene's matter.
    private static void Leave(ValueTask publish)
        => _ = publish.AsTask().ContinueWith(static left => left.Exception, TaskScheduler.Default);

    private async Task<AmqpClient> WithQueueAsync(Action<AmqpClientOptions>? configure = null)
    {
        AmqpClient amqp = await ConnectAsync(configure);
        await DeclareAsync(amqp, "q");
        return amqp;
    }

    // The consumer of the replies has a deadline of its own, which must not be the first here.
    private async Task CallAwayAsync() => await (await AwayAsync(TimeSpan.FromMinutes(1))).CallAsync(
        AmqpMessage.ToQueue("q", []),
        new AmqpCallOptions
        {
            Timeout = Soon,
            ReplyTo = AmqpReplyAddress.Queue("replies", message => message.CorrelationId)
        },
        Cancelled);

    private async Task<AmqpClient> BlockedAsync(Action<AmqpClientOptions>? configure = null)
    {
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.PublishTimeout = Soon;
            configure?.Invoke(options);
        });
        await BlockAsync(amqp);
        return amqp;
    }

    private async Task<AmqpClient> AwayAsync(TimeSpan? operationTimeout = null)
    {
        AmqpClient amqp = await ConnectAsync(
            options => (options.PublishTimeout, options.OperationTimeout) = (Soon, operationTimeout ?? Soon));
        await Broker.KillAsync(Cancelled);
        await UntilAsync(
            () => amqp.Status.Links.All(link => link.State is AmqpLinkState.Waiting or AmqpLinkState.Connecting));
        return amqp;
    }

    private async Task<AmqpClient> UnansweredAsync(TimeSpan timeout)
    {
        AmqpClient amqp = await WithQueueAsync(options => options.PublishTimeout = timeout);
        _ = Broker.Script(FaultTrigger.Publish(), FaultAction.DropConfirm());
        return amqp;
    }
}
