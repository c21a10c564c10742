using System.Diagnostics;
using RabbitMQ.Client;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Broker;

/// <summary>
/// RabbitMQ.Client makes spans of its own, at a level where neither the caller nor the confirm is known: beside ours each message would have two.
/// Our links run inside an activity that is not recorded, so that a sampler which follows its parent, as OpenTelemetry's does, makes none of
/// them. One that records everything still gets them; they must not take the place of the context that our span wrote into the headers.
/// </summary>
internal static class ForeignTracing
{
    private static int _kept;

    internal static void KeepOffHeaders()
    {
        if (Interlocked.Exchange(ref _kept, 1) != 0)
            return;
        Action<Activity, IDictionary<string, object?>> inject = RabbitMQActivitySource.ContextInjector;
        RabbitMQActivitySource.ContextInjector = (activity, headers) =>
        {
            if (activity.ParentSpanId != Tracing.Muted.SpanId) // else it is a publish of one of our links
                inject(activity, headers);
        };
    }
}
