using System.Diagnostics;

namespace SafeAmqp.Telemetry;

/// <summary>Observes a client's operations on their callers' side: spans and the metrics of the conventions. The links
/// know nothing of it. While nothing listens, an operation costs one check.</summary>
internal sealed partial class ClientObserver(AmqpTelemetryOptions options, Instruments instruments, string client,
    TimeProvider time, Func<LinkEndpoint> sendEndpoint, Func<LinkEndpoint> receiveEndpoint)
{
    private readonly AmqpTelemetryOptions _options = options;
    private readonly Instruments _instruments = instruments;
    private readonly string _client = client;
    private readonly Func<LinkEndpoint> _sendEndpoint = sendEndpoint;
    private readonly Func<LinkEndpoint> _receiveEndpoint = receiveEndpoint;
    private readonly TimeProvider _time = time;
    private readonly BoundedNames _queues = new(static queue => queue);
    private readonly BoundedNames _exchanges = new(static exchange => $"{exchange}:{{routing_key}}");

    /// <summary>Marks a span as failed.</summary>
    internal static void Fail(Activity? activity, Exception error)
    {
        if (activity is null)
            return;
        activity.SetTag(Attributes.ErrorType, ErrorType.Of(error));
        activity.SetStatus(ActivityStatusCode.Error, error.Message);
        activity.AddException(error);
    }

    private static string OutcomeOf(Exception? error, AmqpOutcome known) => error switch
    {
        null => "confirmed",
        AmqpException { Outcome: { } outcome } => Name(outcome),
        _ => Name(known), // cancelled, disposed, not valid
    };

    internal static string Name(AmqpOutcome outcome) => outcome switch
    {
        AmqpOutcome.Confirmed => "confirmed",
        AmqpOutcome.Returned => "returned",
        AmqpOutcome.Nacked => "nacked",
        AmqpOutcome.Refused => "refused",
        AmqpOutcome.NotSent => "not_sent",
        _ => "unknown",
    };

    // The conventions ask for the tags that a sampler may want when the span is created.
    private static Activity? Start(in Operation operation, in Destination destination, LinkEndpoint endpoint,
        ActivityContext parent, ActivityLink[]? links, DateTimeOffset startTime = default)
    {
        var tags = new List<KeyValuePair<string, object?>>(8)
        {
            new(Attributes.System, Attributes.RabbitMq),
            new(Attributes.OperationName, operation.Name),
            new(Attributes.OperationType, operation.Type),
            new(Attributes.Destination, destination.Name),
            new(Attributes.ServerAddress, endpoint.Address),
            new(Attributes.ServerPort, endpoint.Port),
        };
        if (destination.IsAnonymous)
        {
            tags.Add(new(Attributes.Anonymous, true));
            tags.Add(new(Attributes.Temporary, true));
        }
        return Tracing.Source.StartActivity(destination.SpanName(operation.Name), operation.Kind, parent, tags, links,
            startTime);
    }

    private void Describe(Activity? activity, AmqpMessage message, LinkEndpoint endpoint)
    {
        if (activity is not { IsAllDataRequested: true })
            return;
        activity.SetTag(Attributes.ClientId, _client);
        if (message.RoutingKey.Length > 0)
            activity.SetTag(Attributes.RoutingKey, message.RoutingKey);
        if (message.MessageId is { } id)
            activity.SetTag(Attributes.MessageId, id);
        if (message.CorrelationId is { } conversation)
            activity.SetTag(Attributes.ConversationId, conversation);
        if (_options.BodySize)
            activity.SetTag(Attributes.BodySize, message.Body.Length);
        DescribePeer(activity, endpoint);
    }

    private static void DescribePeer(Activity activity, LinkEndpoint endpoint)
    {
        if (endpoint.PeerAddress is not { } peer)
            return;
        activity.SetTag(Attributes.PeerAddress, peer);
        activity.SetTag(Attributes.PeerPort, endpoint.PeerPort);
    }

    private static ActivityLink[]? LinkTo(IReadOnlyDictionary<string, object?>? headers)
        => ContextHeaders.TryExtract(headers, out ActivityContext creation) ? [new ActivityLink(creation)] : null;

    private TagList Tags(in Operation operation, LinkEndpoint endpoint, bool withType, Exception? error)
    {
        var tags = new TagList
        {
            { Attributes.System, Attributes.RabbitMq },
            { Attributes.OperationName, operation.Name },
            { Attributes.ServerAddress, endpoint.Address },
            { Attributes.ServerPort, endpoint.Port },
        };
        if (withType)
            tags.Add(Attributes.OperationType, operation.Type);
        if (error is not null)
            tags.Add(Attributes.ErrorType, ErrorType.Of(error));
        return tags;
    }

    private void AddDestination(ref TagList tags, AmqpMessage message)
    {
        if (message.Exchange.Length > 0)
        {
            if (_exchanges.Of(message.Exchange) is { } template)
                tags.Add(Attributes.DestinationTemplate, template);
        }
        else
        {
            AddQueue(ref tags, message.RoutingKey);
        }
    }

    private void AddQueue(ref TagList tags, string queue)
    {
        if (!Destination.IsMadeUp(queue) && _queues.Of(queue) is { } name)
            tags.Add(Attributes.Destination, name);
    }
}
