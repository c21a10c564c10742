namespace SafeAmqp;

/// <summary>A client of one broker. Every member may be called from any thread at any time: from inside a handler,
/// while reconnecting, during disposal. After disposal operations throw <see cref="ObjectDisposedException"/>;
/// <see cref="Status"/> says that it is closed.</summary>
public interface IAmqpClient : IAsyncDisposable
{
    /// <summary>A snapshot of the client's state, from memory.</summary>
    AmqpClientStatus Status { get; }

    /// <summary>A link has changed its state. Changes come in their order and one at a time, on the thread pool, never
    /// on an I/O thread: a handler may block, and call the client. What it throws is logged (115) and keeps no other
    /// from hearing of it. While a handler runs at most 100 changes wait for it; then the oldest are left out. The last
    /// ones may come after the client was disposed of.</summary>
    event EventHandler<AmqpStateChangedEventArgs>? StateChanged;

    /// <summary>Gets, counts, purges and deletes by hand.</summary>
    IAmqpAdmin Admin { get; }

    /// <summary>Publishes a message and waits until the broker has taken responsibility for it.</summary>
    /// <param name="message">The message. Body and headers must stay unchanged until the returned task has
    /// ended.</param>
    /// <param name="cancellationToken">Cancels while the message has not been sent:
    /// <see cref="OperationCanceledException"/> means that it never left. Afterwards the real outcome is
    /// awaited.</param>
    /// <returns>A task that completes when the broker has confirmed.</returns>
    /// <exception cref="ArgumentException">The message is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">It was not confirmed; <see cref="AmqpException.Outcome"/> says what became of
    /// it, and <see cref="AmqpException.IsSafeToRepeat"/> whether it may be repeated.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled before the message was sent.</exception>
    ValueTask PublishAsync(AmqpMessage message, CancellationToken cancellationToken = default);

    /// <summary>Publishes a message as <see cref="PublishAsync(AmqpMessage, CancellationToken)"/> does, with a time-out
    /// of its own.</summary>
    /// <param name="message">The message.</param>
    /// <param name="timeout">How long it may take at most, in place of
    /// <see cref="AmqpClientOptions.PublishTimeout"/>.</param>
    /// <param name="cancellationToken">Cancels while the message has not been sent.</param>
    /// <returns>A task that completes when the broker has confirmed.</returns>
    /// <exception cref="ArgumentException">The message or the time-out is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">It was not confirmed.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled before the message was sent.</exception>
    ValueTask PublishAsync(AmqpMessage message, TimeSpan timeout, CancellationToken cancellationToken = default);

    /// <summary>Publishes messages in order and waits for the outcome of each.</summary>
    /// <param name="messages">The messages.</param>
    /// <param name="cancellationToken">Cancels those that have not been sent; they end as
    /// <see cref="AmqpOutcome.NotSent"/>.</param>
    /// <returns>An outcome for each, in the order of <paramref name="messages"/>.</returns>
    /// <exception cref="ArgumentException">A message is not valid; none was sent.</exception>
    Task<IReadOnlyList<AmqpPublishResult>> PublishAllAsync(IReadOnlyList<AmqpMessage> messages,
        CancellationToken cancellationToken = default);

    /// <summary>Hands a message over without waiting for the broker. A lost link or a refusal after that loses it
    /// silently.</summary>
    /// <param name="message">The message. Body and headers must stay unchanged until the returned task has
    /// ended.</param>
    /// <param name="cancellationToken">Cancels while the message has not been handed over.</param>
    /// <returns>A task that completes when the message was handed to the connection.</returns>
    /// <exception cref="ArgumentException">The message is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpNotSentException">It was not handed over in time.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled before the message was handed
    /// over.</exception>
    ValueTask PostAsync(AmqpMessage message, CancellationToken cancellationToken = default);

    /// <summary>Consumes a queue. Goes on over recoveries until the subscription is disposed.</summary>
    /// <param name="queue">The queue's name.</param>
    /// <param name="handler">Handles each delivery. Never runs on the I/O thread.</param>
    /// <param name="options">How to consume. Default: prefetch 100, one at a time, what fails tried again.</param>
    /// <param name="cancellationToken">Cancels the wait for the broker's confirmation, and the consumer with
    /// it.</param>
    /// <returns>The subscription, when the broker has confirmed the consumer.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    /// <exception cref="AmqpTopologyException">The broker refused: no such queue, locked, no permission; or it did not
    /// answer in time.</exception>
    Task<AmqpSubscription> ConsumeAsync(string queue, AmqpHandler handler, AmqpConsumerOptions? options = null,
        CancellationToken cancellationToken = default);

    /// <summary>Consumes a queue as a sequence. A delivery is acknowledged when the loop asks for the next one,
    /// requeued when the loop is left before, unless it was settled by hand.</summary>
    /// <param name="queue">The queue's name.</param>
    /// <param name="options">How to consume. <see cref="AmqpConsumerOptions.Concurrency"/> must be 1.</param>
    /// <param name="cancellationToken">Ends the sequence.</param>
    /// <returns>The deliveries, without end.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    /// <exception cref="AmqpTopologyException">The broker refused the consumer or did not answer in time.</exception>
    IAsyncEnumerable<AmqpDelivery> ReadAllAsync(string queue, AmqpConsumerOptions? options = null,
        CancellationToken cancellationToken = default);

    /// <summary>Sends a request and waits for its reply.</summary>
    /// <param name="request">The request. It goes out mandatory, so that a missing server is reported in one round
    /// trip.</param>
    /// <param name="options">Deadline and reply address. Default: 30 s, an exclusive queue.</param>
    /// <param name="cancellationToken">Ends the call at once; its reply then counts as late.</param>
    /// <returns>The reply.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpReturnedException">No queue takes the request.</exception>
    /// <exception cref="AmqpRemoteException">The other side failed.</exception>
    /// <exception cref="AmqpNoReplyException">The request left and no reply came; it may have been worked
    /// on.</exception>
    /// <exception cref="AmqpException">The request was not sent, nacked or refused, or its fate is unknown.</exception>
    ValueTask<AmqpReply> CallAsync(AmqpMessage request, AmqpCallOptions? options = null,
        CancellationToken cancellationToken = default);

    /// <summary>Answers the requests of a queue, each on the channel that it came on: the reply leaves, then the
    /// acknowledgement. A request past its deadline is dropped; one without a reply address is settled and
    /// logged.</summary>
    /// <param name="queue">The queue's name.</param>
    /// <param name="handler">Answers a request.</param>
    /// <param name="options">How to serve.</param>
    /// <param name="cancellationToken">Cancels the wait for the broker's confirmation, and the server with it.</param>
    /// <returns>The subscription, when the broker has confirmed the consumer.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    /// <exception cref="AmqpTopologyException">The broker refused the consumer or did not answer in time.</exception>
    Task<AmqpSubscription> ServeAsync(string queue, AmqpRequestHandler handler, AmqpServeOptions? options = null,
        CancellationToken cancellationToken = default);

    /// <summary>Sends a request and reads its replies, each once and in their order, until the server says that there
    /// are no more. The server sends at most <see cref="AmqpCallManyOptions.Prefetch"/> replies ahead of the loop. A
    /// server that is lost is followed by another only while no reply has come. Each loop is a call of its
    /// own.</summary>
    /// <param name="request">The request. It goes out mandatory, so that a missing server is reported in one round
    /// trip.</param>
    /// <param name="options">How long to wait, how many replies ahead. Default: 30 s, 100 replies.</param>
    /// <param name="cancellationToken">Ends the sequence. The server is told, as it is when the loop is left.</param>
    /// <returns>The replies.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpReturnedException">No queue takes the request.</exception>
    /// <exception cref="AmqpRemoteException">The other side failed, behind the replies before.</exception>
    /// <exception cref="AmqpNoReplyException">No further reply came in time, or the link that brings them or the server
    /// was lost.</exception>
    /// <exception cref="AmqpException">The request was not sent, nacked or refused, or its fate is unknown.</exception>
    IAsyncEnumerable<AmqpReply> CallManyAsync(AmqpMessage request, AmqpCallManyOptions? options = null,
        CancellationToken cancellationToken = default);

    /// <summary>Answers the requests of a queue with many replies each. A request is acknowledged behind its last
    /// reply, and until then bounded by the broker's acknowledgement time-out.</summary>
    /// <param name="queue">The queue's name.</param>
    /// <param name="handler">Answers a request.</param>
    /// <param name="options">How to serve. By default one request at a time.</param>
    /// <param name="cancellationToken">Cancels the wait for the broker's confirmation, and the server with it.</param>
    /// <returns>The subscription, when the broker has confirmed the consumer.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    /// <exception cref="AmqpTopologyException">The broker refused the consumer or did not answer in time.</exception>
    Task<AmqpSubscription> ServeManyAsync(string queue, AmqpRepliesHandler handler,
        AmqpServeOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Declares exchanges, queues and bindings, and keeps them declared over recoveries.</summary>
    /// <param name="topology">What to have. One that is refused does not keep the others from being declared.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>A task that completes when the broker has confirmed each.</returns>
    /// <exception cref="AmqpTopologyException">At least one was refused (mismatch 406, locked 405, forbidden 403,
    /// missing 404) or not answered in time; the message names each. What was refused is not declared
    /// again.</exception>
    Task DeclareAsync(AmqpTopology topology, CancellationToken cancellationToken = default);

    /// <summary>Takes away what was declared, by this client or another: bindings, queues with their messages,
    /// exchanges, in the reverse of their order. None of it is declared again after a recovery, nor what it takes with
    /// it: the bindings of a queue or exchange, and an auto-delete exchange with its last binding. What is not there,
    /// or was only checked (<c>Passive</c>), is left alone. Stop a queue's consumers first: they would go on waiting
    /// for it.</summary>
    /// <param name="topology">What to take away. Queues and exchanges are known by their names, bindings also by key
    /// and arguments.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>A task that completes when the broker has confirmed each.</returns>
    /// <exception cref="AmqpTopologyException">At least one was refused (locked 405, forbidden 403) or not answered in
    /// time; the message names each.</exception>
    Task DeleteAsync(AmqpTopology topology, CancellationToken cancellationToken = default);
}

/// <summary>What is done to queues and exchanges by hand. What is taken away is not declared again after a
/// recovery.</summary>
public interface IAmqpAdmin
{
    /// <summary>Counts what is in a queue.</summary>
    /// <param name="queue">The queue's name.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>The counts.</returns>
    /// <exception cref="AmqpTopologyException">There is no such queue (404), it is another connection's (405), or the
    /// broker did not answer in time.</exception>
    Task<AmqpQueueCounts> CountAsync(string queue, CancellationToken cancellationToken = default);

    /// <summary>Takes every message out of a queue that is not delivered to a consumer.</summary>
    /// <param name="queue">The queue's name. The messages of a stream go by its limits only; the broker closes the
    /// connection (540) over one that this client did not declare.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>How many there were.</returns>
    /// <exception cref="ArgumentException">The queue was declared here as a stream.</exception>
    /// <exception cref="AmqpTopologyException">There is no such queue, the broker refused or did not answer in
    /// time.</exception>
    Task<long> PurgeAsync(string queue, CancellationToken cancellationToken = default);

    /// <summary>Gets one message, which is out of its queue until it is settled
    /// (<see cref="AmqpDelivery.Settle"/>) or the link is lost: then it comes again. It holds a channel until then. To
    /// look at a queue or to mend it; many messages are consumed.</summary>
    /// <param name="queue">The queue's name. A stream can only be consumed; the broker closes the connection (540) over
    /// one that this client did not declare.</param>
    /// <param name="cancellationToken">Cancels the wait; a message that comes all the same goes back.</param>
    /// <returns>The message; <see langword="null"/> when there is none that is ready.</returns>
    /// <exception cref="ArgumentException">The queue was declared here as a stream.</exception>
    /// <exception cref="AmqpTopologyException">There is no such queue (404), the broker refused or did not answer in
    /// time, the link was lost, or it has no channel left.</exception>
    /// <exception cref="AmqpPoisonException">The next message cannot be read, or is larger than
    /// <see cref="AmqpClientOptions.MaxMessageSize"/>. It is still there.</exception>
    Task<AmqpDelivery?> GetAsync(string queue, CancellationToken cancellationToken = default);

    /// <summary>Deletes a queue with its messages and bindings. That there is none is no error.</summary>
    /// <param name="queue">The queue's name.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>A task that completes when the broker has confirmed.</returns>
    /// <exception cref="AmqpTopologyException">The broker refused or did not answer in time.</exception>
    Task DeleteQueueAsync(string queue, CancellationToken cancellationToken = default);

    /// <summary>Deletes an exchange with its bindings. That there is none is no error.</summary>
    /// <param name="exchange">The exchange's name.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>A task that completes when the broker has confirmed.</returns>
    /// <exception cref="AmqpTopologyException">The broker refused or did not answer in time.</exception>
    Task DeleteExchangeAsync(string exchange, CancellationToken cancellationToken = default);

    /// <summary>Takes a binding away. That there is none is no error.</summary>
    /// <param name="binding">The binding.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>A task that completes when the broker has confirmed.</returns>
    /// <exception cref="AmqpTopologyException">The broker refused or did not answer in time.</exception>
    Task UnbindAsync(AmqpBinding binding, CancellationToken cancellationToken = default);

    /// <summary>Moves the messages of a queue's dead queue (<see cref="AmqpFailurePolicy.Hold"/>) back to it, as many
    /// as there are when it begins. Their attempts are counted anew. Each is confirmed by the queue before it leaves
    /// the dead queue: a crash in between may duplicate it.</summary>
    /// <param name="queue">The queue, not its dead queue.</param>
    /// <param name="cancellationToken">Ends it; what was moved by then is moved.</param>
    /// <returns>How many were moved: 0 when there is no dead queue.</returns>
    /// <exception cref="AmqpException">A message could not be moved; it and those behind it stay.</exception>
    Task<long> ReturnDeadAsync(string queue, CancellationToken cancellationToken = default);
}

/// <summary>What is in a queue, as the broker counts.</summary>
/// <param name="Messages">Messages that are ready, not those that consumers have.</param>
/// <param name="Consumers">Its consumers, of all clients.</param>
public readonly record struct AmqpQueueCounts(long Messages, int Consumers);
