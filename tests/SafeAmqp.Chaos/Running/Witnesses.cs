using System.Diagnostics;
using SafeAmqp.Chaos.Checking;

namespace SafeAmqp.Chaos.Running;

/// <summary>
/// What was seen since the last fault struck: the evidence that it had an effect, and how long each link was away.
/// </summary>
internal sealed class Witnesses(Recorder recorder) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly List<string> _secrets = [];
    private readonly Dictionary<string, double> _lostAt = [];
    private readonly List<Outage> _outages = [];
    private Sightings _seen;
    private double _struckAt;
    private ActivityListener? _listener;

    internal bool Verbose { get; init; }

    internal Recorder Recorder => recorder;

    internal Sightings Seen
    {
        get
        {
            lock (_gate)
                return _seen;
        }
    }

    /// <summary>The links that were lost and came back since the last fault struck.</summary>
    internal IReadOnlyList<Outage> Outages
    {
        get
        {
            lock (_gate)
                return [.. _outages];
        }
    }

    internal void AddSecret(string secret)
    {
        lock (_gate)
            _secrets.Add(secret);
    }

    /// <summary>A fault strikes now: what was seen before does not count for it.</summary>
    internal void Strike()
    {
        lock (_gate)
        {
            _seen = new Sightings();
            _outages.Clear();
            _lostAt.Clear();
            _struckAt = recorder.Now;
        }
    }

    internal void Lost(string link, string why)
    {
        double now = recorder.Record(new HistoryEvent { What = What.LinkLost, Text = $"{link}: {why}" });
        lock (_gate)
        {
            _lostAt.TryAdd(link, now);
            _seen = _seen with { LinksLost = _seen.LinksLost + 1 };
        }
    }

    internal void Opened(string link)
    {
        double now = recorder.Record(new HistoryEvent { What = What.LinkOpen, Text = link });
        lock (_gate)
        {
            if (_lostAt.Remove(link, out double lost))
                _outages.Add(new Outage(link, lost - _struckAt, now - lost, now - _struckAt));
        }
    }

    internal void AttemptFailed(string why)
    {
        bool refused = why.Contains("ACCESS_REFUSED", StringComparison.Ordinal)
            || why.Contains("403", StringComparison.Ordinal) || why.Contains("530", StringComparison.Ordinal)
            || why.Contains("refused the", StringComparison.Ordinal);
        lock (_gate)
            _seen = _seen with
            {
                CredentialsRefused = _seen.CredentialsRefused + (refused ? 1 : 0),
                AttemptsFailed = _seen.AttemptsFailed + 1
            };
    }

    internal void Blocked()
    {
        lock (_gate)
            _seen = _seen with { Blocked = _seen.Blocked + 1 };
    }

    internal void ConsumerLost()
    {
        lock (_gate)
            _seen = _seen with { ConsumersLost = _seen.ConsumersLost + 1 };
    }

    internal void DeliveryLost()
    {
        lock (_gate)
            _seen = _seen with { DeliveriesLost = _seen.DeliveriesLost + 1 };
    }

    internal void Ended(Ending ending, double took)
    {
        lock (_gate)
            _seen = _seen with
            {
                Refused = _seen.Refused + (ending == Ending.Refused ? 1 : 0),
                Slowest = Math.Max(_seen.Slowest, took)
            };
    }

    internal void Unexpected(string what) => recorder.Record(new HistoryEvent { What = What.Unexpected, Text = what });

    /// <summary>Tags, events and status of every activity are a place where no secret may be.</summary>
    internal void WatchActivities()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name.Contains("AMQP", StringComparison.OrdinalIgnoreCase)
                || source.Name.Contains("Rabbit", StringComparison.OrdinalIgnoreCase),
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity => LookForSecrets(
                "an activity",
                activity.StatusDescription,
                string.Join('\n', activity.TagObjects.Select(tag => tag.Value))),
        };
        ActivitySource.AddActivityListener(_listener);
    }

    internal void LookForSecrets(string where, params ReadOnlySpan<string?> texts)
    {
        lock (_gate)
        {
            foreach (string? text in texts)
            {
                if (text is not null && _secrets.Exists(secret => text.Contains(secret, StringComparison.Ordinal)))
                    recorder.Record(new HistoryEvent { What = What.Secret, Text = where });
            }
        }
    }

    public void Dispose() => _listener?.Dispose();
}

/// <summary>Counts of what clients noticed.</summary>
internal readonly record struct Sightings
{
    internal int LinksLost { get; init; }

    internal int AttemptsFailed { get; init; }

    internal int CredentialsRefused { get; init; }

    internal int Blocked { get; init; }

    internal int ConsumersLost { get; init; }

    internal int DeliveriesLost { get; init; }

    internal int Refused { get; init; }

    /// <summary>The longest publish, in milliseconds.</summary>
    internal double Slowest { get; init; }
}

/// <summary>One link's time away, in milliseconds.</summary>
/// <param name="Link">Whose.</param>
/// <param name="Detected">From the fault to the client's notice.</param>
/// <param name="Away">From the notice to open again: connected, topology declared, consumers live.</param>
/// <param name="Total">From the fault to open again.</param>
internal sealed record Outage(string Link, double Detected, double Away, double Total);
