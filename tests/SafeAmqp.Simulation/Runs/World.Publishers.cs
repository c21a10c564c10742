using System.Globalization;
using SafeAmqp.Actor;
using SafeAmqp.Publishing;
using SafeAmqp.Rpc;
using SafeAmqp.Simulation.Checking;

namespace SafeAmqp.Simulation.Runs;

// The senders: publishers and callers, as AmqpClient sends for them.
internal sealed partial class World
{
    private static readonly AmqpReplyAddress FixedQueue = AmqpReplyAddress.Queue("fixed");

    private readonly Credit _credit;
    private readonly Credit _places;
    private readonly List<Sending> _sendings = [];
    private readonly List<Sending> _pending = [];
    private readonly List<(Sending Sending, Credit.Waiter Waiter)> _inLine = [];
    private int _sent;
    private long _accepted;

    internal Sending SendingOf(AmqpMessage message) => _sendings[RequestOf(message)];

    internal static int RequestOf(AmqpMessage message) => int.Parse(message.MessageId!, CultureInfo.InvariantCulture);

    /// <summary>The correlation id of a call whose request has not left, for a peer to guess.</summary>
    internal string? GuessId()
    {
        if (_pending.Find(sending => sending.Job is CallJob && sending.Channels.Count == 0) is not { } queued)
            return null;
        // Also those whose id it took, or that took its own.
        foreach (Sending other in _pending.Where(other => other.CorrelationId == queued.CorrelationId))
            other.Attempt.HasGuessableId = true;
        return queued.CorrelationId;
    }

    private void StartPublishers()
    {
        for (int i = 0; i < Scenario.Publishers; i++)
        {
            int publisher = i;
            bool awaits = _dice.Next(2) == 0;
            _sent += Scenario.Messages;
            After(_dice.NextInt64(Ms(50)), () => SendNext(publisher, Scenario.Messages, awaits));
        }
    }

    // As IoThread does once it has ended.
    private void Send(IActorMessage command)
    {
        if (_actor.IsClosed)
            command.Abandon(_actor);
        else
            Post(command);
    }

    private void SendNext(int publisher, int left, bool awaits)
    {
        if (left == 0)
            return;
        Sending sending = NewSending(publisher);
        void Next() => After(
            _dice.Next(3) == 0 ? 0 : _dice.NextInt64(Scenario.Pause), () => SendNext(publisher, left - 1, awaits));
        if (awaits)
            sending.Next = Next;
        TakeCredit(sending);
        if (!awaits)
            Next();
    }

    private Sending NewSending(int publisher)
    {
        int id = _sendings.Count;
        double lot = _dice.NextDouble();
        string key = lot < Scenario[Fault.Nacks] * 0.3 ? "full"
            : lot < Scenario[Fault.Nacks] * 0.3 + Scenario[Fault.Returns] ? "nowhere"
            : Chance(Scenario[Fault.SilentQueues]) ? "silent"
            : Chance(Scenario[Fault.LeaderLosses]) ? "led" : "somewhere";
        // To what is being declared, or was: it waits, and others pass it.
        bool waits = _declares.Count > 0 && _waits.Next(4) == 0;
        var message = new AmqpMessage
        {
            Exchange = waits ? "declared" : Chance(Scenario[Fault.BadExchanges]) ? _dice.Pick("secret", "missing")
                : Chance(Scenario[Fault.ExchangeLosses] / 2) ? "news" : _dice.Pick("orders", "news", "", ""),
            RoutingKey = key,
            MessageId = id.ToString(CultureInfo.InvariantCulture),
            Mandatory = _dice.Next(4) != 0,
            Body = new byte[_dice.Next(10) == 0 ? 2_000 : _dice.Next(100)],
        };
        return Begin(new Attempt
        {
            Id = id,
            Publisher = publisher,
            Exchange = message.Exchange,
            IsMandatory = message.Mandatory,
            Deadline = Now + Scenario.PublishTimeout.Ticks,
            IsUnencodable = Chance(Scenario[Fault.Unencodables]),
            // seeds keep their meaning
            IsImpossible = Scenario[Fault.Impossibles] > 0 && Chance(Scenario[Fault.Impossibles]),
        }, message);
    }

    private Sending Begin(Attempt attempt, AmqpMessage message)
    {
        var sending = new Sending(attempt, message);
        _sendings.Add(sending);
        _pending.Add(sending);
        Note("attempt", attempt.Id, attempt.Publisher);
        return sending;
    }

    private void TakeCredit(Sending sending)
    {
        int size = sending.Message.Body.Length;
        if (_credit.TryTake(size))
        {
            Submit(sending);
            return;
        }
        Count("waits for credit");
        Credit.Waiter waiter = _credit.Wait(size, sending.Attempt.Deadline, () => Submit(sending));
        _inLine.Add((sending, waiter));
        if (Chance(Scenario[Fault.Cancels]))
            After(_dice.NextInt64(Ms(50)), () => sending.Attempt.IsCancelled |= waiter.Withdraw());
    }

    private long LookAfterCredit()
    {
        if (_credit.Waiting == 0 && _inLine.Count == 0)
            return ActorTime.Never;
        _credit.Expire(Now);
        foreach (var entry in _inLine.FindAll(entry => entry.Waiter.Completion.HasEnded))
        {
            _inLine.Remove(entry);
            if (!entry.Waiter.Completion.Task.GetAwaiter().GetResult())
                Finish(entry.Sending, End.NotSent);
        }
        return _inLine.Count == 0 ? ActorTime.Never : Now + Ms(50);
    }

    private void Submit(Sending sending)
    {
        Attempt attempt = sending.Attempt;
        double lot = _dice.NextDouble();
        if (lot < Scenario[Fault.Calls] && _places.TryTake(0))
            sending.Job = NewCall(sending, _dice.Pick(
                AmqpReplyAddress.Direct, FixedQueue, AmqpReplyAddress.Exclusive, AmqpReplyAddress.Exclusive));
        else if (lot < Scenario[Fault.Calls] + Scenario[Fault.Posts])
            (sending.Job, attempt.Kind) = (new PostJob(sending.Message, Now, attempt.Deadline, _credit), Kind.Post);
        else
            sending.Job = new PublishJob(sending.Message, Now, attempt.Deadline, _credit);
        attempt.Accepted = ++_accepted;
        bool cancels = Chance(Scenario[Fault.Cancels]);
        if (cancels && _dice.Next(8) == 0)
            Cancel(sending); // the token fired before
        Send(sending.Job);
        if (cancels)
            After(_dice.NextInt64(Ms(_dice.Pick(3, 300))), () => Cancel(sending));
    }

    private CallJob NewCall(Sending sending, AmqpReplyAddress address)
    {
        Attempt attempt = sending.Attempt;
        attempt.Kind = address == FixedQueue ? Kind.CallToFixedQueue : Kind.Call;
        attempt.IsMandatory = true;
        sending.CorrelationId = $"call-{attempt.Id}";
        if (Chance(Scenario[Fault.SameIds]) && _pending.Find(other => other.Job is CallJob) is { } other)
        {
            sending.CorrelationId = other.CorrelationId; // a caller may choose its own, and choose badly
            attempt.HasGuessableId = true;
        }
        return new CallJob(sending.Message, address, sending.CorrelationId, Now, attempt.Deadline, 0, _credit, _places);
    }

    private void Cancel(Sending sending)
    {
        sending.Attempt.IsCancelled = true;
        Send(new CancelJob(sending.Job!));
    }

    private void Finish(Sending sending, End end)
    {
        Attempt attempt = sending.Attempt;
        attempt.End = end;
        attempt.EndedAt = Now;
        attempt.Ends++;
        attempt.LostItsChannel = sending.Channels.Exists(channel => channel.IsGone)
            || sending.WayBack is { IsGone: true };
        _pending.Remove(sending);
        Note(end.ToString(), attempt.Id);
        Count(end.ToString());
        _checker.CheckEnded(attempt);
        sending.Next?.Invoke();
    }
}
