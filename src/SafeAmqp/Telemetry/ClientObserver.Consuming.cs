using System.Diagnostics;

namespace SafeAmqp.Telemetry;

// Handlers, sequences and settlements.
internal sealed partial class ClientObserver
{
    /// <summary>Whether anything listens to what is handled or read.</summary>
    internal bool SeesDeliveries => Tracing.Source.HasListeners() || _instruments.ProcessDuration.Enabled
        || _instruments.Consumed.Enabled
        || _instruments.Redelivered.Enabled || _instruments.OperationDuration.Enabled;

    /// <summary>Whether anything listens to what is settled.</summary>
    internal bool SeesSettlements => (_options.SettleSpans && Tracing.Source.HasListeners())
        || _instruments.OperationDuration.Enabled;

    /// <summary>Starts to observe a handler. The rest of the calling method runs in its context.</summary>
    /// <param name="delivery">What it handles.</param>
    /// <param name="isRequest">Whether a caller waits for the answer: then the span belongs to the caller's
    /// trace.</param>
    internal Processing BeginProcess(AmqpDelivery delivery, bool isRequest)
    {
        CountDelivery(Operation.Process, delivery);
        Activity? activity = null;
        if (Tracing.Source.HasListeners())
        {
            ActivityLink[]? links = LinkTo(delivery.Message.Headers);
            ActivityContext parent = links is not null
                && (isRequest || _options.HandlersContinueTraces) ? links[0].Context : default;
            LinkEndpoint endpoint = _receiveEndpoint();
            activity = Start(Operation.Process, Destination.Of(delivery), endpoint, parent, links);
            Describe(activity, delivery, endpoint);
            if (activity is not null)
                ContextHeaders.CopyBaggage(delivery.Message.Headers, activity);
        }
        return new Processing(this, delivery, activity, _time.GetTimestamp());
    }

    /// <summary>When a loop asked for its next delivery; the default while nothing listens.</summary>
    internal (DateTimeOffset At, long Timestamp) Asked
        => SeesDeliveries ? (_time.GetUtcNow(), _time.GetTimestamp()) : default;

    /// <summary>A loop was handed a delivery.</summary>
    internal void Received(AmqpDelivery delivery, (DateTimeOffset At, long Timestamp) asked)
    {
        if (!SeesDeliveries || asked.Timestamp == 0)
            return;
        CountDelivery(Operation.Receive, delivery);
        LinkEndpoint endpoint = _receiveEndpoint();
        if (Tracing.Source.HasListeners())
        {
            using Activity? activity = Start(Operation.Receive, Destination.Of(delivery), endpoint, default,
                LinkTo(delivery.Message.Headers), asked.At);
            Describe(activity, delivery, endpoint);
        }
        if (!_instruments.OperationDuration.Enabled)
            return;
        TagList tags = Tags(Operation.Receive, endpoint, withType: true, null);
        AddQueue(ref tags, delivery.Queue);
        _instruments.OperationDuration.Record(_time.GetElapsedTime(asked.Timestamp).TotalSeconds, tags);
    }

    /// <summary>Starts to observe a settlement.</summary>
    internal Settling BeginSettle(AmqpDelivery delivery, AmqpSettlement settlement)
    {
        Activity? activity = null;
        if (_options.SettleSpans && Tracing.Source.HasListeners())
        {
            LinkEndpoint endpoint = _receiveEndpoint();
            // One that was held is settled when its handler's span has ended
            ActivityContext parent = Activity.Current is null ? delivery.ProcessedIn : default;
            activity = Start(Operation.Settle(settlement), Destination.Of(delivery), endpoint, parent,
                LinkTo(delivery.Message.Headers));
            Describe(activity, delivery, endpoint);
        }
        return new Settling(this, delivery, Operation.Settle(settlement), activity, _time.GetTimestamp());
    }

    /// <summary>A message left its queue without having been handled.</summary>
    internal void Rejected(AmqpDelivery delivery, string reason, string fate)
    {
        if (!_instruments.Rejected.Enabled)
            return;
        var tags = new TagList
        {
            { Attributes.Client, _client },
            { Attributes.Reason, reason },
            { Attributes.Fate, fate },
        };
        AddQueue(ref tags, delivery.Queue);
        _instruments.Rejected.Add(1, tags);
    }

    private void Describe(Activity? activity, AmqpDelivery delivery, LinkEndpoint endpoint)
    {
        Describe(activity, delivery.Message, endpoint);
        if (activity is not { IsAllDataRequested: true })
            return;
        activity.SetTag(Attributes.DeliveryTag, (long)delivery.DeliveryTag);
        if (delivery.IsRedelivered)
            activity.SetTag(Attributes.Redelivered, true);
    }

    private void CountDelivery(in Operation operation, AmqpDelivery delivery)
    {
        if (_instruments.Consumed.Enabled)
        {
            TagList tags = Tags(operation, _receiveEndpoint(), withType: false, null);
            AddQueue(ref tags, delivery.Queue);
            _instruments.Consumed.Add(1, tags);
        }
        if (delivery is { IsRedelivered: true, Failures: 0 } && _instruments.Redelivered.Enabled)
        {
            var tags = new TagList { { Attributes.Client, _client } };
            AddQueue(ref tags, delivery.Queue);
            _instruments.Redelivered.Add(1, tags);
        }
    }

    /// <summary>A handler, observed until it has ended.</summary>
    internal readonly struct Processing(ClientObserver? observer, AmqpDelivery delivery, Activity? activity, long start)
    {
        /// <summary>The handler has ended, or failed.</summary>
        internal void Handled(Exception? error)
        {
            if (observer is null)
                return;
            error ??= delivery.Fault;
            if (observer._instruments.ProcessDuration.Enabled)
            {
                TagList tags = observer.Tags(Operation.Process, observer._receiveEndpoint(), withType: false, error);
                observer.AddQueue(ref tags, delivery.Queue);
                observer._instruments.ProcessDuration.Record(observer._time.GetElapsedTime(start).TotalSeconds, tags);
            }
            if (error is not null)
                Fail(activity, error);
        }

        /// <summary>Its delivery is settled, or given up.</summary>
        internal void End(AmqpSettlement? settlement)
        {
            if (activity is null)
                return;
            if (settlement is { } done)
                activity.SetTag(Attributes.Settlement, Operation.Settle(done).Name);
            delivery.ProcessedIn = activity.Context;
            activity.Stop();
        }
    }

    /// <summary>A settlement, observed until it is handed to the owner of its channel.</summary>
    internal readonly struct Settling(ClientObserver observer, AmqpDelivery delivery, Operation operation,
        Activity? activity, long start)
    {
        internal void End(bool settled)
        {
            if (observer._instruments.OperationDuration.Enabled)
            {
                TagList tags = observer.Tags(operation, observer._receiveEndpoint(), withType: true, null);
                observer.AddQueue(ref tags, delivery.Queue);
                if (!settled)
                    tags.Add(Attributes.ErrorType, ErrorType.Stale);
                observer._instruments.OperationDuration.Record(observer._time.GetElapsedTime(start).TotalSeconds, tags);
            }
            if (activity is null)
                return;
            if (!settled)
            {
                activity.SetTag(Attributes.ErrorType, ErrorType.Stale);
                activity.SetStatus(ActivityStatusCode.Error,
                    "The delivery's channel is gone: the broker delivers the message again.");
            }
            activity.Stop();
        }
    }
}
