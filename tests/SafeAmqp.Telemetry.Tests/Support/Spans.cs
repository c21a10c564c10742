using System.Diagnostics;

namespace SafeAmqp.Telemetry.Tests.Support;

/// <summary>The spans that ended, as long as it is not disposed.</summary>
internal sealed class Spans : IDisposable
{
    private readonly ActivityListener _listener;
    private readonly List<Activity> _ended = [];

    /// <param name="sources">Which sources to hear of.</param>
    /// <param name="sample">What to sample. Default: all.</param>
    internal Spans(Func<string, bool>? sources = null, SampleActivity<ActivityContext>? sample = null)
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source =>
                sources?.Invoke(source.Name) ?? source.Name is AmqpTelemetry.ActivitySourceName or "test",
            Sample = sample
                ?? ((ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded),
            ActivityStopped = activity =>
            {
                lock (_ended)
                    _ended.Add(activity);
            },
        };
        ActivitySource.AddActivityListener(_listener);
    }

    internal IReadOnlyList<Activity> All
    {
        get
        {
            lock (_ended)
                return [.. _ended];
        }
    }

    internal IReadOnlyList<Activity> Named(string operation)
        => [.. All.Where(span => (string?)span.GetTagItem("messaging.operation.name") == operation)];

    internal Activity One(string operation, string? source = null)
        => Assert.Single(Named(operation), span => source is null || span.Source.Name == source);

    public void Dispose() => _listener.Dispose();
}
