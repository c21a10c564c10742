using System.Diagnostics;

namespace SafeAmqp.Telemetry;

// Publishes, posts, calls and batches. A span ends with the outcome.
internal sealed partial class ClientObserver
{
    /// <summary>Whether anything listens to what is sent.</summary>
    internal bool SeesSends
        => Tracing.Source.HasListeners() || _instruments.OperationDuration.Enabled || _instruments.Sent.Enabled
            || _instruments.Outcomes.Enabled || _instruments.Unroutable.Enabled;

    /// <summary>Starts to observe one message, on the caller's thread and in its context.</summary>
    internal Sending Begin(in Operation operation, AmqpMessage message)
    {
        if (!Tracing.Source.HasListeners())
            return new Sending(this, operation, message, null, _time.GetTimestamp());
        LinkEndpoint endpoint = _sendEndpoint();
        Activity? activity = Start(operation, Destination.Of(message), endpoint, default, LinkTo(message.Headers));
        Describe(activity, message, endpoint);
        // An unsampled span passes on the context that there is, so that a trace is not torn here.
        return new Sending(this, operation, ContextHeaders.Inject(message, activity ?? Activity.Current), activity,
            _time.GetTimestamp());
    }

    /// <summary>Starts to observe a batch.</summary>
    /// <param name="messages">The messages, checked.</param>
    /// <returns>The observation, with the messages and their contexts.</returns>
    internal SendingBatch BeginBatch(IReadOnlyList<AmqpMessage> messages)
    {
        long start = _time.GetTimestamp();
        if (!Tracing.Source.HasListeners())
            return new SendingBatch(this, messages, null, start);
        LinkEndpoint endpoint = _sendEndpoint();
        var made = new AmqpMessage[messages.Count];
        var links = new List<ActivityLink>(_options.SpanPerMessageOfBatch ? made.Length : 0);
        for (int i = 0; i < made.Length && _options.SpanPerMessageOfBatch; i++)
        {
            using Activity? creation = Start(Operation.Create, Destination.Of(messages[i]), endpoint, default,
                LinkTo(messages[i].Headers));
            Describe(creation, messages[i], endpoint);
            made[i] = ContextHeaders.Inject(messages[i], creation ?? Activity.Current);
            if (creation is not null)
                links.Add(new ActivityLink(creation.Context));
        }
        Operation operation = _options.SpanPerMessageOfBatch ? Operation.PublishBatch : Operation.Publish;
        var first = Destination.Of(messages[0]);
        Destination all = messages.All(message => Destination.Of(message) == first) ? first
            : new Destination("", IsAnonymous: true, IsNameless: true);
        Activity? activity = Start(operation, all, endpoint, default, [.. links]);
        if (activity is { IsAllDataRequested: true })
        {
            if (all.Name.Length == 0) // they go to several: none is the batch's
                activity.SetTag(Attributes.Destination, null).SetTag(Attributes.Anonymous, null)
                    .SetTag(Attributes.Temporary, null);
            activity.SetTag(Attributes.ClientId, _client).SetTag(Attributes.BatchCount, messages.Count);
            DescribePeer(activity, endpoint);
        }
        for (int i = 0; i < made.Length && !_options.SpanPerMessageOfBatch; i++)
            made[i] = ContextHeaders.Inject(messages[i], activity ?? Activity.Current);
        return new SendingBatch(this, made, activity, start);
    }

    private void Count(in Operation operation, AmqpMessage message, string outcome, Exception? error)
    {
        if (!_instruments.Sent.Enabled && !_instruments.Outcomes.Enabled && !_instruments.Unroutable.Enabled)
            return;
        TagList tags = Tags(operation, _sendEndpoint(), withType: false, error);
        AddDestination(ref tags, message);
        if (outcome != "not_sent")
            _instruments.Sent.Add(1, tags);
        if (operation.Calls)
        {
            if (error is AmqpReturnedException)
                _instruments.Unroutable.Add(1, new KeyValuePair<string, object?>(Attributes.Client, _client));
            return;
        }
        _instruments.Outcomes.Add(1, new(Attributes.Client, _client), new(Attributes.Outcome, outcome));
    }

    private void Time(in Operation operation, AmqpMessage? message, long start, Exception? error)
    {
        if (!_instruments.OperationDuration.Enabled)
            return;
        TagList tags = Tags(operation, _sendEndpoint(), withType: true, error);
        if (message is not null)
            AddDestination(ref tags, message);
        _instruments.OperationDuration.Record(_time.GetElapsedTime(start).TotalSeconds, tags);
    }

    /// <summary>One message, observed until it has its outcome.</summary>
    internal readonly struct Sending(ClientObserver observer, Operation operation, AmqpMessage message,
        Activity? activity, long start)
    {
        /// <summary>The message with the context of its creation.</summary>
        internal AmqpMessage Message => message;

        internal void Confirmed() => End("confirmed", null);

        internal void HandedOver() => End("handed_over", null);

        internal void Replied(AmqpMessage reply)
        {
            if (activity is { IsAllDataRequested: true }
                && ContextHeaders.TryExtract(reply.Headers, out ActivityContext creation))
                activity.AddLink(new ActivityLink(creation));
            End("confirmed", null);
        }

        /// <summary>The last of many replies has come, or the loop was left before it.</summary>
        internal void Left(long replies, Exception? error, AmqpOutcome request)
        {
            activity?.SetTag(Attributes.Replies, replies);
            End(replies > 0 ? "confirmed" : OutcomeOf(error, request), error);
        }

        /// <summary>It failed, or was cancelled.</summary>
        /// <param name="error">Why. An <see cref="AmqpException"/> knows the outcome.</param>
        /// <param name="known">The outcome where the error does not know it: a call may be cancelled when its request
        /// has left.</param>
        internal void Failed(Exception error, AmqpOutcome known = AmqpOutcome.NotSent)
            => End(OutcomeOf(error, known), error);

        private void End(string outcome, Exception? error)
        {
            observer.Time(operation, message, start, error);
            observer.Count(operation, message, outcome, error);
            if (activity is null)
                return;
            activity.SetTag(Attributes.Outcome, outcome);
            if (error is not null)
                Fail(activity, error);
            activity.Stop();
        }
    }

    /// <summary>A batch, observed until each of its messages has its outcome.</summary>
    internal readonly struct SendingBatch(ClientObserver observer, IReadOnlyList<AmqpMessage> messages,
        Activity? activity, long start)
    {
        internal IReadOnlyList<AmqpMessage> Messages => messages;

        internal void Ended(IReadOnlyList<AmqpPublishResult> results)
        {
            Exception? first = null;
            int failed = 0;
            for (int i = 0; i < results.Count; i++)
            {
                AmqpException? error = results[i].Error;
                observer.Count(Operation.Publish, messages[i], Name(results[i].Outcome), error);
                first ??= error;
                failed += error is null ? 0 : 1;
            }
            observer.Time(Operation.Publish, null, start, first);
            if (activity is null)
                return;
            activity.SetTag(Attributes.Outcome, failed == 0 ? "confirmed" : failed == results.Count
                    && results.All(result => result.Outcome == results[0].Outcome) ? Name(results[0].Outcome)
                        : "mixed");
            if (first is not null)
            {
                Fail(activity, first);
                activity.SetStatus(ActivityStatusCode.Error,
                    $"{failed} of {results.Count} messages were not confirmed; the first: {first.Message}");
            }
            activity.Stop();
        }

        internal void Failed(Exception error)
        {
            Fail(activity, error);
            activity?.Stop();
        }
    }
}
