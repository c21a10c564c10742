using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Topology;

namespace SafeAmqp.Tests.Actor;

/// <summary>A broker link that only takes note of what it is asked; a test gives the answers.</summary>
internal sealed class FakeLink : IBrokerLink
{
    internal sealed class Channel
    {
        internal required long Incarnation { get; init; }
        internal required int Epoch { get; init; }
        internal required bool Confirms { get; init; }
        internal required int Prefetch { get; init; }
        internal bool IsClosed { get; set; }
        internal bool IsCancelled { get; set; }
        internal bool ConfirmsSince { get; set; }
        internal List<string> Order { get; } = [];
        internal List<(AmqpMessage Message, int Slot)> Published { get; } = [];
        internal List<AdminRequest> Asked { get; } = [];
        internal List<ConsumeRequest> Consumed { get; } = [];
        internal List<string> Got { get; } = [];
        internal List<(ulong Tag, bool Multiple, AmqpSettlement Settlement)> Settled { get; } = [];
        internal IEnumerable<string?> Ids => Published.Select(sent => sent.Message.MessageId);
    }

    internal List<int> Connects { get; } = [];

    /// <summary>How long the last of them may take.</summary>
    internal TimeSpan Within { get; private set; }

    internal List<(int Epoch, bool Politely)> Abandoned { get; } = [];

    internal List<Channel> Channels { get; } = [];

    internal PassResult NextPass { get; set; } = PassResult.Passed;

    internal LinkTraffic LastTraffic { get; set; }

    internal Channel this[long incarnation] => Channels.Single(channel => channel.Incarnation == incarnation);

    /// <summary>The newest channel that publishes.</summary>
    internal Channel Lane => Channels.Last(channel => channel.Confirms);

    /// <summary>The newest channel for declaring.</summary>
    internal Channel Admin => Channels.Last(channel => !channel.Confirms && channel.Prefetch == 0);

    /// <summary>The newest channel for replies, when none was opened for declaring after it.</summary>
    internal Channel Replies => Admin;

    /// <summary>The newest channel that consumes, or will.</summary>
    internal Channel Consumer => Channels.Last(channel => !channel.Confirms && channel.Prefetch != 0);

    public string Connect(int epoch, TimeSpan within)
    {
        Connects.Add(epoch);
        Within = within;
        return "host";
    }

    public void Abandon(int epoch, bool politely) => Abandoned.Add((epoch, politely));

    public void OpenChannel(int epoch, long incarnation, bool confirms, int prefetch)
        => Channels.Add(
            new Channel { Incarnation = incarnation, Epoch = epoch, Confirms = confirms, Prefetch = prefetch });

    public void CloseChannel(long incarnation) => this[incarnation].IsClosed = true;

    public PassResult Publish(long incarnation, in Outgoing message, int slot, out string? refusal)
    {
        refusal = NextPass == PassResult.Refused ? "it does not fit" : null;
        if (NextPass is PassResult.Passed or PassResult.PassedBusy)
        {
            this[incarnation].Published.Add((message.ToMessage(), slot));
            this[incarnation].Order.Add($"publish {message.CorrelationId}");
        }
        return NextPass;
    }

    public void Settle(long incarnation, ulong tag, bool multiple, AmqpSettlement settlement)
    {
        this[incarnation].Settled.Add((tag, multiple, settlement));
        this[incarnation].Order.Add($"{settlement} {tag}{(multiple ? " and before" : "")}");
    }

    public void Confirm(long incarnation)
    {
        Assert.False(this[incarnation].Confirms || this[incarnation].ConfirmsSince, "It confirms already.");
        this[incarnation].ConfirmsSince = true;
    }

    public void Ask(long incarnation, AdminRequest request) => this[incarnation].Asked.Add(request);

    public void Consume(long incarnation, ConsumeRequest request) => this[incarnation].Consumed.Add(request);

    public void Get(long incarnation, string queue) => this[incarnation].Got.Add(queue);

    public void Flush() => Flushes++;

    internal int Flushes { get; private set; }

    public void CancelConsumer(long incarnation) => this[incarnation].IsCancelled = true;

    public LinkTraffic Traffic(int epoch) => LastTraffic;
}
