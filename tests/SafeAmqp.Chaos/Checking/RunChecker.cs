using System.Globalization;
using SafeAmqp.Chaos.Faults;

namespace SafeAmqp.Chaos.Checking;

/// <summary>
/// Takes the history of a run, line by line, and says what must not be in it. The account of messages is
/// <see cref="History"/>; here are the rules about calls, time, the broker, memory and secrets, and the guards against
/// a run that proves nothing.
/// </summary>
internal sealed class RunChecker(RunExpectations expectations)
{
    private static readonly TimeSpan MaxDispose = TimeSpan.FromSeconds(5);

    private readonly Dictionary<int, int> _calls = []; // number → how often it ended
    private readonly List<Violation> _found = [];
    private readonly Dictionary<string, FaultCount> _faults = [];
    private readonly List<string> _forgotten = [];
    private readonly HashSet<string> _madeAgain = []; // links, since a queue was deleted
    private History? _messages;
    private int _openFaults;
    private bool _queueDeleted;
    private bool _done;

    internal History Messages => _messages ?? throw new InvalidOperationException("The history has no beginning.");

    internal IReadOnlyDictionary<string, FaultCount> Faults => _faults;

    /// <summary>The broker's own fault, each time: not a message is lost, and no client could know.</summary>
    internal IReadOnlyList<string> ForgottenByTheBroker => _forgotten;

    internal int LinksLost { get; private set; }

    internal int Calls => _calls.Count;

    internal int Answered { get; private set; }

    internal int CallsUnknown { get; private set; }

    internal int ConfirmedDuring { get; private set; }

    internal int ConfirmedAfter { get; private set; }

    internal double SlowestDispose { get; private set; }

    /// <summary>Not for several threads at once.</summary>
    internal void Apply(HistoryEvent line)
    {
        switch (line.What)
        {
            case What.Begin:
                _messages = new History(line.Lanes!, expectations.MessagesEach);
                break;
            case What.Attempt:
                Messages.Attempted(line.Lane!.Value, line.Number!.Value);
                break;
            case What.End:
                End(line);
                break;
            case What.Deliver:
                Messages.Delivered(line.Lane!.Value, line.Number!.Value, line.Flag);
                break;
            case What.Garbled:
                Messages.Garbled(line.Text ?? "");
                break;
            case What.Call:
                _calls[line.Number!.Value] = 0;
                break;
            case What.Answer:
                Answer(line);
                break;
            case What.FaultBegin:
                _openFaults++;
                ConfirmedAfter = 0;
                _faults[line.Text!] = _faults.GetValueOrDefault(line.Text!) with
                {
                    Fired = _faults.GetValueOrDefault(line.Text!).Fired + 1
                };
                if (line.Text == FaultKind.QueueDeleted)
                {
                    _queueDeleted = true;
                    _madeAgain.Clear();
                }
                break;
            case What.FaultEnd:
                _openFaults--;
                FaultCount count = _faults.GetValueOrDefault(line.Text!);
                _faults[line.Text!] = count with { Effective = count.Effective + (line.Flag ? 1 : 0) };
                break;
            case What.LinkLost:
                LinksLost++;
                _madeAgain.Add(LinkOf(line));
                break;
            case What.LinkOpen:
                _madeAgain.Add(LinkOf(line));
                break;
            case What.Forgotten:
                Forgotten(line);
                break;
            case What.Stuck:
                Say("stuck", line.Text!);
                break;
            case What.BrokerSaid:
                Say("broker's log", line.Text!);
                break;
            case What.Secret:
                Say("secret", $"a password was seen in {line.Text}");
                break;
            case What.Unexpected:
                Say("unexpected", line.Text!);
                break;
            case What.Connections when (int)line.Value! != line.Number:
                Say("connections", string.Create(
                    CultureInfo.InvariantCulture, $"{line.Value} connections at the broker, {line.Number} expected"));
                break;
            case What.Memory when line.Value > expectations.MaxGrowth:
                Say("memory", string.Create(
                    CultureInfo.InvariantCulture,
                    $"the live heap grew by {line.Value / (1 << 20):0.0} MiB over the last half of the run"));
                break;
            case What.Disposed:
                SlowestDispose = Math.Max(SlowestDispose, line.Value!.Value);
                // the number is what the machine itself was late by
                if (line.Value > MaxDispose.TotalMilliseconds + line.Number)
                    Say("dispose", string.Create(CultureInfo.InvariantCulture, $"disposing took {line.Value:0} ms"));
                break;
            case What.Done:
                _done = true;
                break;
        }
    }

    /// <summary>
    /// Everything that must never be, and every reason why the run proves nothing; empty when all is well.
    /// </summary>
    internal IReadOnlyList<Violation> Violations()
    {
        var found = new List<Violation>(_found);
        found.AddRange(Messages.Violations());
        found.AddRange(_calls.Where(call => call.Value == 0)
            .Select(call => new Violation("call never ended", $"call {call.Key}")));
        if (!_done)
            found.Add(new Violation("unfinished", "the history has no end: the queues were not seen empty"));
        found.AddRange(Vacuous());
        return found;
    }

    private IEnumerable<Violation> Vacuous()
    {
        if (_faults.Count < expectations.Kinds)
            yield return new Violation(
                "too few faults", $"{_faults.Count} kinds of fault struck, {expectations.Kinds} expected");
        // The consumer that the broker forgot is how the deletion was noticed.
        foreach ((string kind, FaultCount count) in _faults.Where(
            fault => fault.Value.Effective == 0 && !(fault.Key == FaultKind.QueueDeleted && _forgotten.Count > 0)))
            yield return new Violation("fault without effect", $"{kind} struck {count.Fired} times without effect");
        if (LinksLost == 0 && Messages.Count(Ending.Unknown) == 0)
            yield return new Violation(
                "nothing lost", "no link was lost and no outcome was unknown: the run proves nothing");
        if (ConfirmedDuring < expectations.Confirmed)
            yield return new Violation(
                "idle during faults",
                $"{ConfirmedDuring} messages were confirmed while a fault was on, {expectations.Confirmed} expected");
        if (ConfirmedAfter < expectations.Confirmed)
            yield return new Violation(
                "idle after faults",
                $"{ConfirmedAfter} messages were confirmed after the last fault, {expectations.Confirmed} expected");
        if (Answered < expectations.Answered)
            yield return new Violation(
                "idle callers", $"{Answered} calls were answered, {expectations.Answered} expected");
    }

    // What the broker is known to do, and only that: to a consumer whose queue was deleted under it and whose link has
    // stood ever since.
    private void Forgotten(HistoryEvent line)
    {
        if (_queueDeleted && !_madeAgain.Contains(LinkOf(line)))
            _forgotten.Add(line.Text!);
        else
            Say("forgotten without cause", line.Text!);
    }

    private static string LinkOf(HistoryEvent line) => line.Text!.Split(": ")[0];

    private void End(HistoryEvent line)
    {
        Ending ending = line.Ended!.Value;
        Messages.Ended(line.Lane!.Value, line.Number!.Value, ending, line.Text);
        if (ending == Ending.Confirmed)
        {
            ConfirmedDuring += _openFaults > 0 ? 1 : 0;
            ConfirmedAfter++;
        }
        if (line.Value > 0)
            Say("late", string.Create(CultureInfo.InvariantCulture, $"{line.Lane}/{line.Number} ended as "
                + $"{ending} {line.Value:0} ms after its deadline and all that the machine may take"));
    }

    private void Answer(HistoryEvent line)
    {
        int number = line.Number!.Value;
        if (!_calls.TryGetValue(number, out int ends))
        {
            Say("call never made", $"call {number} ended and was never made");
            return;
        }
        _calls[number] = ends + 1;
        if (ends > 0)
            Say("call ended twice", $"call {number} ended {ends + 1} times");
        if (line.Ended == Ending.Broken)
            Say("broken", $"call {number} ended with {line.Text}");
        if (line.Ended == Ending.Unknown)
            CallsUnknown++;
        if (line.Ended != Ending.Confirmed)
            return;
        Answered++;
        if ((int?)line.Value != number)
            Say(
                "wrong reply",
                string.Create(CultureInfo.InvariantCulture, $"call {number} was given the reply to call {line.Value}"));
    }

    private void Say(string rule, string what) => _found.Add(new Violation(rule, what));
}

/// <summary>How often a kind of fault struck, and how often that was noticed.</summary>
internal readonly record struct FaultCount(int Fired, int Effective);

/// <summary>What a run must at least show.</summary>
internal sealed record RunExpectations
{
    internal int Kinds { get; init; } = 12;

    internal int Confirmed { get; init; } = 200;

    internal int Answered { get; init; } = 100;

    internal long MaxGrowth { get; init; } = 16 << 20;

    internal int MessagesEach { get; init; } = 8_000_000;

    /// <summary>A short run, or one of few kinds, proves less.</summary>
    internal static RunExpectations For(Running.ChaosOptions options) => new()
    {
        Kinds = Math.Min(options.Kinds.Count, Math.Clamp((int)(options.Duration.TotalMinutes * 3), 1, 25)),
    };
}
