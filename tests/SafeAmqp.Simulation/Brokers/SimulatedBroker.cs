using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Simulation.Checking;
using SafeAmqp.Simulation.Runs;
using static SafeAmqp.Simulation.Checking.ViolationException;

namespace SafeAmqp.Simulation.Brokers;

/// <summary>
/// A broker and the way to it in virtual time. It takes what the actor asks at once and answers by signals later, as
/// the real one was seen to; and it refuses what RabbitMQ or RabbitMQ.Client would: a second publish on a busy channel,
/// an unknown delivery tag, a second RPC.
/// </summary>
internal sealed partial class SimulatedBroker(World world, Dice dice) : IBrokerLink
{
    private readonly Dictionary<long, SimulatedChannel> _channels = [];
    private readonly List<(SimulatedChannel Channel, Action Read)> _outbox = []; // what is passed on leaves at a flush

    internal SimulatedConnection? Current { get; private set; }

    internal bool IsHealed { get; private set; }

    /// <summary>
    /// Whether there is something that it does not read any more, and that the client has not given up.
    /// </summary>
    internal bool HasDeaf => Current is { IsDead: false } connection && (connection.IsDeaf
        || connection.Channels.Exists(channel => channel is { IsDeaf: true, IsKnownGone: false }));

    internal bool IsConnected => Current is { IsUp: true, IsDead: false };

    /// <summary>
    /// Whether it closed a channel or cancelled a consumer and that has not been heard: on a slow link it takes
    /// seconds.
    /// </summary>
    internal bool HasEndOnItsWay => Current is { IsDead: false } connection
        && connection.Channels.Exists(channel => channel is { ClientOpened: true, IsKnownGone: false }
            and ({ BrokerOpen: false } or { IsCancelled: true }));

    private Scenario Scenario => world.Scenario;

    public string Connect(int epoch, TimeSpan within)
    {
        Begin(epoch);
        return "broker";
    }

    private void Begin(int epoch)
    {
        world.Note("connect", epoch);
        CheckConnect(epoch);
        var connection = Current = new SimulatedConnection(epoch, world.Now);
        if (world.Now < _refusingUntil && !IsHealed)
        {
            // Only RabbitMQ says that it was the credentials; a virtual host that may not be used closes what had begun
            // to open.
            if (Chance(0.5))
            {
                FailConnect(
                    connection,
                    new CloseReason(403, "ACCESS_REFUSED - Login was refused", ByBroker: true),
                    refused: true);
                return;
            }
            world.After(Latency() * 3, () =>
            {
                Welcome(connection);
                CloseByBroker(connection, 530, "NOT_ALLOWED - access to vhost '/' refused for user 'guest'");
            });
        }
        else if (world.Now < _awayUntil && !IsHealed)
        {
            FailConnect(connection, new CloseReason(0, "connection refused", ByBroker: false), refused: false);
        }
        else if (!Chance(Scenario[Fault.ConnectFailures]))
        {
            world.After(Latency() * 3, () => Welcome(connection));
        }
        else if (Chance(0.2))
        {
            world.After(Ms(5_000), () => Welcome(connection)); // so late that the client may have given up
        }
        else if (Chance(0.7))
        {
            FailConnect(connection, new CloseReason(0, "no", ByBroker: false), refused: false);
        }
        // else: silence until the client's own time-out
    }

    public void Abandon(int epoch, bool politely)
    {
        Flush();
        world.Note(politely ? "goodbye" : "abandon", epoch);
        if (Current is not { } connection || connection.Epoch != epoch || connection.IsAbandoned)
            return;
        CheckAbandon(connection);
        connection.IsAbandoned = true;
        _abandonedAt = world.Now;
        connection.LandsLate = connection.IsCut ? connection.LandsLate : politely || Chance(0.5);
        connection.IsCut = true;
        Forget(connection);
    }

    public void OpenChannel(int epoch, long incarnation, bool confirms, int prefetch)
    {
        Flush();
        world.Note("open", incarnation, prefetch);
        Require(
            Current is { IsUp: true, IsAbandoned: false } current && current.Epoch == epoch,
            "a channel is opened on a link that is not in use");
        var channel = new SimulatedChannel(Current!, incarnation, confirms, prefetch, world.Now);
        Require(_channels.TryAdd(incarnation, channel), "an incarnation is used twice");
        Current!.Channels.Add(channel);
        Current.OpenAskedAt ??= world.Now;
        if (Chance(Scenario[Fault.Silences] * 0.2))
        {
            return; // never answered
        }
        ToBroker(Current, () =>
        {
            if (Chance(Scenario[Fault.OpenFailures]))
            {
                Signal(channel, new BrokerSignal.ChannelClosed(
                    incarnation, new CloseReason(504, "CHANNEL_ERROR", ByBroker: true)));
                channel.Connection.ChannelsLost++;
                return;
            }
            channel.BrokerOpen = true;
            channel.NamesDeadLeader = world.Now < _leaderlessUntil && Chance(0.7);
            Signal(channel, new BrokerSignal.ChannelOpened(incarnation), () => channel.ClientOpened = true);
        });
    }

    public void CloseChannel(long incarnation)
    {
        Flush();
        world.Note("close", incarnation);
        SimulatedChannel channel = InUse(incarnation, mustBeOpen: false, mustBeConnected: false);
        CheckClose(channel);
        channel.ClientClosed = true;
        if (!channel.Confirms)
            channel.Connection.ChannelsLost++;
        if (channel.Declaring is { } unanswered)
            channel.Connection.Declared.Add(unanswered); // given up: that is an answer, too
        ToBroker(channel.Connection, () => CloseAtBroker(channel));
    }

    public void Flush()
    {
        foreach (var (channel, read) in _outbox)
            ToBroker(channel, read);
        _outbox.Clear();
    }

    public LinkTraffic Traffic(int epoch)
    {
        if (Current is not { IsUp: true } connection || connection.Epoch != epoch)
            return default;
        if (!connection.IsCut && !connection.IsFrozen && !connection.IsStarved)
            connection.LastHeard = world.Now;
        return new LinkTraffic(connection.LastHeard, null, HasUnread: connection.IsStarved);
    }

    private void FailConnect(SimulatedConnection connection, CloseReason end, bool refused)
    {
        // The first answers are quick, later ones may come when the client has given up.
        long time = Chance(0.1) ? TimeSpan.FromMilliseconds(dice.Next(5_000)).Ticks : Latency();
        world.After(time, () =>
        {
            connection.WasReportedLost = true;
            world.Post(new BrokerSignal.ConnectFailed(connection.Epoch, end, refused, "broker"));
        });
    }

    private void Welcome(SimulatedConnection connection)
    {
        if (connection.IsAbandoned)
        {
            world.Post(new BrokerSignal.Connected(connection.Epoch, "broker")); // it was on its way
            return;
        }
        connection.IsUp = true;
        connection.LastHeard = world.Now;
        if (Chance(Scenario[Fault.Blocks] * 0.05))
            Block(connection); // may come before Connected
        // the client may have given up by then
        world.After(Latency(), () => world.Post(new BrokerSignal.Connected(connection.Epoch, "broker")));
    }

    private SimulatedChannel InUse(long incarnation, bool mustBeOpen = true, bool mustBeConnected = true)
    {
        if (!_channels.TryGetValue(incarnation, out SimulatedChannel? channel))
            throw new ViolationException($"channel {incarnation} was never opened");
        Require(
            !channel.Connection.IsAbandoned || !mustBeConnected,
            $"channel {incarnation} is of a link that was given up");
        Require(!channel.ClientClosed, $"channel {incarnation} was closed");
        Require(channel.ClientOpened || !mustBeOpen, $"channel {incarnation} is not open yet");
        return channel;
    }

    private static void BeginAnswer(SimulatedChannel channel)
    {
        Require(!channel.AwaitsAnswer, "a second RPC on a channel whose first was not answered");
        channel.AwaitsAnswer = true;
    }

    private bool Chance(double probability) => !IsHealed && dice.Chance(probability);

    private long Latency() => 1 + dice.NextInt64(Scenario.Latency) * (Current?.SlowUntil > world.Now ? 50 : 1);

    private void ToBrokerAtFlush(SimulatedChannel channel, Action read)
    {
        _outbox.Add((channel, read));
        if (Chance(0.1))
            Flush(); // a full one does not wait
    }

    // The client's frames arrive in their order.
    private void ToBroker(SimulatedConnection connection, Action read)
    {
        if (connection.IsCut)
            return; // written into nothing
        connection.LastArrival = Math.Max(connection.LastArrival + 1, world.Now + Latency());
        world.At(connection.LastArrival, () =>
        {
            if (!connection.IsCut || connection.LandsLate)
                WhenRead(connection, read);
        });
    }

    private void ToBroker(SimulatedChannel channel, Action read) => ToBroker(channel.Connection, () =>
    {
        if (!channel.IsDeaf)
            read();
    });

    private static void WhenRead(SimulatedConnection connection, Action read)
    {
        if (connection.IsFrozen || connection.IsBlocked || connection.IsDeaf)
            connection.Unread.Add(read);
        else
            read();
    }

    // A channel's signals keep their order; those of a lost link may still come, or not.
    private void Signal(SimulatedChannel channel, BrokerSignal signal, Action? posted = null)
    {
        channel.LastSignal = Math.Max(channel.LastSignal + 1, world.Now + Latency());
        world.At(channel.LastSignal, () =>
        {
            if (channel.Connection.IsCut && channel.Connection.AnswersLost)
                return;
            if (channel.IsGone)
                world.Count("signals of channels that are gone");
            posted?.Invoke();
            world.Post(signal);
        });
    }
}
