using System.Diagnostics;
using SafeAmqp.Chaos.Checking;
using SafeAmqp.Chaos.Running;

namespace SafeAmqp.Chaos.Load;

/// <summary>Where a lane's messages go, and whose client sends them.</summary>
internal sealed record Route(Party Party, string Exchange, string Key, Lane Lane);

/// <summary>
/// One lane: publishes one message after the other without waiting for the last, at a pace, with a bounded number under
/// way. Some are cancelled at a random point, some go to a queue or to an exchange that is not there.
/// </summary>
internal sealed class Publisher(int lane, Route route, Witnesses witnesses, LagProbe lag, int seed, double rate)
{
    private const int MostUnderWay = 40, MostRecent = 500;
    internal static readonly TimeSpan Deadline = TimeSpan.FromSeconds(8);

    /// <summary>What the library may be late by, beyond what the machine was late by.</summary>
    private static readonly TimeSpan Promised = TimeSpan.FromMilliseconds(250);

    private readonly Random _random = new(seed * 7919 + lane);
    private readonly Queue<(double From, double At)> _recent = [];
    private double _confirmedFrom = double.NegativeInfinity;

    internal Route Route => route;

    /// <summary>When the youngest message that has been confirmed was published, in the run's milliseconds.</summary>
    internal double ConfirmedFrom => Volatile.Read(ref _confirmedFrom);

    /// <summary>When the first confirm came of a message that was published after a moment.</summary>
    internal double FirstConfirmOfAfter(double moment)
    {
        lock (_recent)
            return _recent.First(confirm => confirm.From > moment).At;
    }

    internal int Sent { get; private set; }

    internal async Task RunAsync(CancellationToken stop)
    {
        var underWay = new Queue<Task>();
        long start = Stopwatch.GetTimestamp();
        for (int number = 0; !stop.IsCancellationRequested; number++)
        {
            underWay.Enqueue(PublishAsync(number));
            Sent = number + 1;
            if (underWay.Count >= MostUnderWay)
            {
                await underWay.Dequeue();
                // what was missed is not made up for
                start = Math.Max(
                    start, Stopwatch.GetTimestamp() - (long)((number + MostUnderWay) / rate * Stopwatch.Frequency));
            }
            TimeSpan ahead = TimeSpan.FromSeconds(number / rate) - Stopwatch.GetElapsedTime(start);
            if (ahead > TimeSpan.FromMilliseconds(1))
                await Task.Delay(ahead, CancellationToken.None);
        }
        await Task.WhenAll(underWay);
    }

    private void Confirmed(double from)
    {
        lock (_recent)
        {
            if (from <= _confirmedFrom)
                return;
            _recent.Enqueue((from, witnesses.Recorder.Now));
            if (_recent.Count > MostRecent)
                _recent.Dequeue();
            Volatile.Write(ref _confirmedFrom, from);
        }
    }

    private async Task PublishAsync(int number)
    {
        int size = _random.Next(100) switch { 0 => 200_000, < 5 => 20_000, _ => _random.Next(16, 1500) };
        (string exchange, string key) = _random.Next(500) switch
        {
            < 5 => ("", $"nowhere.{number}"),
            5 => ("chaos.missing", ""),
            _ => (route.Exchange, route.Key),
        };
        var message = AmqpMessage.ToExchange(exchange, key, Bodies.Make(lane, number, size));
        using var cancel = new CancellationTokenSource();
        if (_random.Next(20) == 0)
            cancel.CancelAfter(_random.Next(15));
        double from = witnesses.Recorder.Record(new HistoryEvent { What = What.Attempt, Lane = lane, Number = number });
        long start = Stopwatch.GetTimestamp();
        Exception? error = null;
        try
        {
            await route.Party.Client.PublishAsync(message, cancel.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            error = e;
        }
        Ending ending = Endings.Of(error, cancel.Token);
        TimeSpan took = Stopwatch.GetElapsedTime(start);
        witnesses.Ended(ending, took.TotalMilliseconds);
        if (error is not null)
            witnesses.LookForSecrets("an exception", error.ToString());
        if (ending == Ending.Confirmed)
            Confirmed(from);
        TimeSpan over = took - Deadline - Promised;
        double late = over > TimeSpan.Zero ? over.TotalMilliseconds
            - lag.WorstSince(start + (long)(Deadline.TotalSeconds * Stopwatch.Frequency) - Stopwatch.Frequency) : 0;
        witnesses.Recorder.Record(new HistoryEvent
        {
            What = What.End,
            Lane = lane,
            Number = number,
            Ended = ending,
            Value = late > 0 ? Math.Round(late, 1) : null,
            Text = ending == Ending.Broken ? error!.ToString() : null,
        });
        if (ending == Ending.Disposed)
            await Task.Delay(50).ConfigureAwait(false);
    }
}
