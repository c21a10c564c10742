using System.Diagnostics;

namespace SafeAmqp.Telemetry;

/// <summary>Trace context in the headers of messages, by the process's <see cref="DistributedContextPropagator"/>:
/// W3C's unless it was set otherwise.</summary>
internal static class ContextHeaders
{
    /// <summary>Longer values are not looked at: a peer may write anything. W3C asks for 512 for a trace state and
    /// 8,192 for baggage.</summary>
    private const int MaxLength = 8192;

    private static readonly DistributedContextPropagator.PropagatorGetterCallback Get =
        static (object? carrier, string name, out string? value, out IEnumerable<string>? values) =>
    {
        values = null;
        value = ((IReadOnlyDictionary<string, object?>)carrier!).TryGetValue(name, out object? header)
            && header is string { Length: <= MaxLength } text ? text : null;
    };

    private static readonly DistributedContextPropagator.PropagatorSetterCallback Set = static (carrier, name, value)
        => ((Dictionary<string, object?>)carrier!).TryAdd(name, value);

    /// <summary>The message with the context of its creation. One that carries a context of its caller's keeps
    /// that.</summary>
    internal static AmqpMessage Inject(AmqpMessage message, Activity? creation)
    {
        if (creation is null || HasOwn(message.Headers))
            return message;
        var headers = message.Headers is null ? [] : new Dictionary<string, object?>(message.Headers);
        DistributedContextPropagator.Current.Inject(creation, headers, Set);
        return headers.Count == (message.Headers?.Count ?? 0) ? message : message with { Headers = headers };
    }

    /// <summary>The context in which a message was made.</summary>
    internal static bool TryExtract(IReadOnlyDictionary<string, object?>? headers, out ActivityContext context)
    {
        context = default;
        if (headers is not { Count: > 0 })
            return false;
        DistributedContextPropagator.Current.ExtractTraceIdAndState(headers, Get, out string? parent,
            out string? state);
        return ActivityContext.TryParse(parent, state, isRemote: true, out context);
    }

    /// <summary>Gives an activity the baggage that came with a message.</summary>
    internal static void CopyBaggage(IReadOnlyDictionary<string, object?>? headers, Activity activity)
    {
        if (headers is not { Count: > 0 })
            return;
        foreach (var (key, value) in DistributedContextPropagator.Current.ExtractBaggage(headers, Get) ?? [])
            activity.AddBaggage(key, value);
    }

    private static bool HasOwn(IReadOnlyDictionary<string, object?>? headers)
    {
        if (headers is not { Count: > 0 })
            return false;
        DistributedContextPropagator.Current.ExtractTraceIdAndState(headers, Get, out string? parent, out _);
        return parent is not null;
    }
}
