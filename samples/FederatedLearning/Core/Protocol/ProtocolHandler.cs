using FederatedLearning.Messages;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Protocol;

/// <summary>
/// What the handlers of all protocols do alike: one loop takes what is to be sent from the queue; the end comes once,
/// in order, and within a patience. A protocol adds how it opens, how it sends, and how it closes.
/// </summary>
public abstract class ProtocolHandler : IProtocolHandler
{
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    private readonly string _title;
    private readonly CancellationTokenSource _stopping = new(), _givenUp = new();
    private readonly Lock _lock = new();
    private HandlerContext? _context;
    private ClientInbox? _inbox;
    private Task? _stopped;

    /// <summary>Makes the handler; nothing is opened yet.</summary>
    /// <param name="name">The protocol's short name.</param>
    /// <param name="title">The name that its log lines begin with, in brackets.</param>
    /// <param name="log">Where they go.</param>
    /// <param name="time">The clock; that of the system if there is none.</param>
    protected ProtocolHandler(string name, string title, ILogger log, TimeProvider? time)
        => (Name, _title, Log, Time) = (name, title, log, time ?? TimeProvider.System);

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>What it was started with.</summary>
    protected HandlerContext Context => _context ?? throw new InvalidOperationException("It was not started.");

    /// <summary>Takes what came from clients.</summary>
    protected ClientInbox Inbox => _inbox ?? throw new InvalidOperationException("It was not started.");

    /// <summary>Where log lines go.</summary>
    protected ILogger Log { get; }

    /// <summary>The clock.</summary>
    protected TimeProvider Time { get; }

    /// <summary>Cancelled at the beginning of the end: nothing more is taken in.</summary>
    protected CancellationToken Stopping => _stopping.Token;

    /// <summary>Cancelled when patience is over: nothing more is sent.</summary>
    protected CancellationToken GivenUp => _givenUp.Token;

    /// <summary>Ends when the core has completed the queue and all of it was sent, or given up.</summary>
    protected Task Sending { get; private set; } = Task.CompletedTask;

    /// <inheritdoc/>
    public async Task StartAsync(HandlerContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        (_context, _inbox) = (context, new ClientInbox(context.Federation, context.Traffic));
        await OpenAsync(cancellationToken);
        Sending = Task.Run(SendAllAsync, CancellationToken.None);
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken)
    {
        lock (_lock) return _stopped ??= StopOnceAsync(cancellationToken);
    }

    /// <summary>Stops with a patience of 5 seconds.</summary>
    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(StopPatience, Time);
        await StopAsync(patience.Token);
        GC.SuppressFinalize(this);
    }

    /// <summary>Opens what the protocol needs, and begins to take in.</summary>
    /// <exception cref="InvalidOperationException">The handler can never work; the message says which setting to
    /// change.</exception>
    protected abstract Task OpenAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Sends a message, or leaves it to the clients' own ways; the next comes when this has ended.
    /// </summary>
    /// <exception cref="OperationCanceledException">Patience is over (<see cref="GivenUp"/>).</exception>
    protected abstract Task SendAsync(OutgoingMessage message);

    /// <summary>Nothing more is taken in after this.</summary>
    protected virtual Task StopReceivingAsync() => Task.CompletedTask;

    /// <summary>
    /// All was sent: clients get what waits for them still, while there is patience, and everything closes. Also called
    /// when opening has failed, or never began.
    /// </summary>
    protected abstract Task CloseAsync();

    /// <summary>The protocol cannot go on: its clients have left, the others train on.</summary>
    protected async Task FailAsync(Exception error)
    {
        Log.ProtocolFailed(error, _title);
        await Context.Federation.HandlerFailedAsync(error);
    }

    /// <summary>A message is for one client that is not in the table.</summary>
    protected void Drop(OutgoingMessage message, ClientId client)
        => Log.ProtocolDropped(_title, message.MessageType, client);

    // First nothing more comes in, then what waits goes out, then connections close.
    private async Task StopOnceAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        await using var giveUp = cancellationToken.Register(_givenUp.Cancel);
        await StopReceivingAsync();
        await Sending;
        await CloseAsync();
        if (_context is not null) Log.ProtocolStopped(_title);
    }

    private async Task SendAllAsync()
    {
        try
        {
            await foreach (var message in Context.Outgoing.TakeAllAsync(GivenUp)) await SendAsync(message);
        }
        catch (OperationCanceledException) when (GivenUp.IsCancellationRequested)
        {
            // The end of patience: what is left is given up.
        }
        catch (Exception error)
        {
            await FailAsync(error);
        }
    }
}
