using Microsoft.Extensions.Logging.Abstractions;
using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Consuming;
using SafeAmqp.Links;
using SafeAmqp.Owner;
using SafeAmqp.Publishing;
using SafeAmqp.Rpc;
using SafeAmqp.Telemetry;
using SafeAmqp.Topology;

namespace SafeAmqp.Tests.Actor;

/// <summary>An actor without a thread: a test hands in messages, answers for the broker and moves the time.</summary>
internal sealed class ActorBench
{
    /// <summary>A thread that never runs, for subscriptions that post nothing.</summary>
    internal static readonly IoThread NoThread = new("bench", new MonotonicClock(TimeProvider.System),
        new LinkEvents(NullLogger.Instance, "test", "bench"), _ => ActorTime.Never);

    private int _nextId;

    internal ActorBench(ActorSettings? settings = null, Func<AmqpClientStatus>? snapshot = null)
    {
        Settings = settings ?? new ActorSettings { Name = "bench" };
        Actor = new LinkActor(Settings, Link, Topology, new LinkEvents(NullLogger.Instance, "test", "bench"),
            () => Random, snapshot ?? (() => new AmqpClientStatus([])));
    }

    internal ActorSettings Settings { get; }

    internal FakeLink Link { get; } = new();

    internal ConnectionActor Actor { get; }

    internal TopologyLedger Topology { get; } = new();

    internal Credit Credit { get; } = new(1000, 1 << 20);

    internal Credit Places { get; } = new(1000, long.MaxValue);

    internal double Random { get; set; } = 0.5;

    internal long Now { get; private set; }

    internal static IDeliveryPump NoPump { get; } = new Pump();

    internal static IDeliveryPump NewPump() => new Pump();

    internal static TimeSpan Ms(double milliseconds) => TimeSpan.FromMilliseconds(milliseconds);

    internal static TimeSpan S(double seconds) => TimeSpan.FromSeconds(seconds);

    internal static CloseReason ByBroker(int code, string text) => new(code, text, ByBroker: true);

    /// <summary>Hands messages in as one batch.</summary>
    internal void Post(params IActorMessage[] messages)
    {
        foreach (IActorMessage message in messages)
            Actor.Handle(message, Now);
        Actor.Advance(Now);
        Actor.Flush();
    }

    /// <summary>
    /// Moves the time as the thread does: the actor is advanced when it asked for it, and not otherwise.
    /// </summary>
    internal void Wait(TimeSpan time)
    {
        long end = Now + time.Ticks;
        for (int turns = 0; Actor.NextWake <= end; turns++)
        {
            Assert.True(turns < 10_000, "The actor asks to be advanced again and again.");
            Now = Math.Max(Now, Actor.NextWake);
            Actor.Advance(Now);
            Actor.Flush();
        }
        Now = end;
    }

    internal void Connect()
    {
        Post(new ActorCommand.Start());
        Connected();
    }

    internal void Connected() => Post(new BrokerSignal.Connected(Actor.Epoch, "broker:5672"));

    internal void LoseLink(string why = "reset")
        => Post(new BrokerSignal.LinkLost(Actor.Epoch, new CloseReason(0, why, ByBroker: false)));

    internal void Opened(FakeLink.Channel channel) => Post(new BrokerSignal.ChannelOpened(channel.Incarnation));

    internal void Closed(FakeLink.Channel channel, CloseReason end)
        => Post(new BrokerSignal.ChannelClosed(channel.Incarnation, end));

    internal void Answered(FakeLink.Channel channel, string name = "")
        => Post(new BrokerSignal.Answered(channel.Incarnation, name));

    /// <summary>Opens the channel that checks exchanges, and answers what is asked on it.</summary>
    internal void Checked(CloseReason? missing = null)
    {
        Opened(Link.Admin);
        if (missing is null)
            Answered(Link.Admin);
        else
            Closed(Link.Admin, missing);
    }

    internal void Started(FakeLink.Channel channel) => Post(new BrokerSignal.ConsumerStarted(channel.Incarnation));

    internal void Acked(ulong sequence, bool multiple = false)
        => Post(new BrokerSignal.Acked(Link.Lane.Incarnation, sequence, multiple));

    internal void Nacked(ulong sequence, bool multiple = false)
        => Post(new BrokerSignal.Nacked(Link.Lane.Incarnation, sequence, multiple));

    internal void Delivered(FakeLink.Channel channel, ulong tag, AmqpMessage? message = null)
        => Post(new BrokerSignal.Delivered(
            channel.Incarnation, tag, IsRedelivered: false, message ?? new AmqpMessage()));

    /// <summary>Connects and answers until the link is open.</summary>
    internal void Open()
    {
        Connect();
        Opened(Link.Admin);
        if (Settings.Publishes)
            Opened(Link.Lane);
        Assert.Equal(AmqpLinkState.Open, Actor.State);
    }

    /// <summary>Loses the link and brings up the next as far as its channels for declaring and publishing.</summary>
    internal void Reopen()
    {
        LoseLink();
        Wait(S(5));
        Connected();
        Opened(Link.Admin);
        if (Settings.Publishes)
            Opened(Link.Lane);
    }

    internal PublishJob Publish(string exchange = "", TimeSpan? timeout = null, int size = 0, bool mandatory = true,
        string key = "key", string? userId = null)
    {
        Assert.True(Credit.TryTake(size));
        var message = new AmqpMessage
        {
            Exchange = exchange,
            RoutingKey = key,
            Body = new byte[size],
            Mandatory = mandatory,
            MessageId = $"m{++_nextId}",
            UserId = userId
        };
        var job = new PublishJob(message, Now, Now + (timeout ?? S(30)).Ticks, Credit);
        Post(job);
        return job;
    }

    internal PostJob PostJob(TimeSpan? timeout = null)
    {
        Assert.True(Credit.TryTake(0));
        var job = new PostJob(
            new AmqpMessage { MessageId = $"m{++_nextId}" }, Now, Now + (timeout ?? S(30)).Ticks, Credit);
        Post(job);
        return job;
    }

    internal CallJob Call(AmqpReplyAddress address, TimeSpan? timeout = null, string? id = null, TimeSpan? old = null)
    {
        Assert.True(Credit.TryTake(0));
        Assert.True(Places.TryTake(0));
        string number = $"m{++_nextId}";
        long accepted = Now - (old ?? TimeSpan.Zero).Ticks;
        var job = new CallJob(
            new AmqpMessage { RoutingKey = "requests", MessageId = number }, address, id ?? $"call-{number}", accepted,
            accepted + (timeout ?? S(30)).Ticks, wallDeadline: 0, Credit, Places);
        Post(job);
        return job;
    }

    internal Subscription Subscribe(string queue = "work", AmqpConsumerOptions? options = null)
    {
        var subscription = new Subscription(queue, options ?? new AmqpConsumerOptions(), NoThread, _ => NewPump());
        Post(new ConsumerCommand.Consume(subscription));
        return subscription;
    }

    /// <summary>Subscribes and answers until the consumer is live.</summary>
    internal Subscription SubscribeLive(string queue = "work")
    {
        Subscription subscription = Subscribe(queue);
        Opened(Link.Consumer);
        Started(Link.Consumer);
        Assert.Equal(AmqpConsumerState.Live, subscription.State);
        return subscription;
    }

    internal static List<AmqpDelivery> Received(Subscription subscription) => ((Pump)subscription.Pump).Received;

    internal AdminJob Declare(TimeSpan timeout, params string[] queues)
    {
        var job = new AdminJob(
            [.. queues.Select(name => new TopologyItem.Queue(new AmqpQueue { Name = name }))], Now + timeout.Ticks);
        Post(job);
        return job;
    }

    internal Completion<bool> Close(TimeSpan within)
    {
        var closed = new Completion<bool>();
        Post(new ActorCommand.Close(Now + within.Ticks, closed));
        return closed;
    }

    /// <summary>A pump that keeps what it is given.</summary>
    private sealed class Pump : IDeliveryPump
    {
        internal List<AmqpDelivery> Received { get; } = [];

        public void Post(AmqpDelivery delivery) => Received.Add(delivery);

        public Task StopAsync(TimeSpan timeout, TimeProvider time) => Task.CompletedTask;
    }
}

/// <summary>How an operation ended, read without waiting.</summary>
internal static class Endings
{
    internal static string Ended(this PublishJob job)
        => Name(job.Task.IsCompleted, () => job.Task.GetAwaiter().GetResult());

    internal static string Ended(this CallJob job)
        => Name(job.Task.IsCompleted, () => job.Task.GetAwaiter().GetResult());

    internal static string Ended<T>(this Completion<T> completion)
        => Name(completion.Task.IsCompleted, () => completion.Task.GetAwaiter().GetResult());

    internal static T Value<T>(this Completion<T> completion) => completion.Task.GetAwaiter().GetResult();

    internal static Exception Error(this PublishJob job)
        => Assert.ThrowsAny<Exception>(() => job.Task.GetAwaiter().GetResult());

    internal static Exception Error(this CallJob job)
        => Assert.ThrowsAny<Exception>(() => { job.Task.GetAwaiter().GetResult(); });

    internal static Exception Error<T>(this Completion<T> completion)
        => Assert.ThrowsAny<Exception>(() => { completion.Task.GetAwaiter().GetResult(); });

    private static string Name(bool completed, Action result)
    {
        if (!completed)
            return "pending";
        try
        {
            result();
            return "done";
        }
        catch (AmqpException error)
        {
            return error.Outcome?.ToString() ?? error.GetType().Name;
        }
        catch (Exception error)
        {
            return error.GetType().Name;
        }
    }
}
