using System.Collections.Immutable;
using System.Threading.Channels;
using ImageServer.Protocol;

namespace ImageServer.Server.State;

/// <summary>
/// The one owner of what clients share. One loop takes messages in their order and makes the next state of each;
/// nothing else changes it, so nothing needs a lock. What only reads takes <see cref="Current"/> and never queues
/// behind the loop.
/// </summary>
internal sealed class StateOwner(ImageSettings settings, TimeProvider time, ILogger<StateOwner> log) : BackgroundService
{
    // Unbounded, as each session has at most one message with an answer under way, and sessions are bounded.
    private readonly Channel<StateMessage> _messages = Channel.CreateUnbounded<StateMessage>(
        new UnboundedChannelOptions { SingleReader = true });
    private ServerState _current = new();

    /// <summary>The state as it is now.</summary>
    public ServerState Current => Volatile.Read(ref _current);

    /// <summary>A client came.</summary>
    /// <returns>Its id, or null when there are too many clients already.</returns>
    public Task<int?> ConnectAsync(string address)
        => AskAsync<int?>(answer => new StateMessage.Connect(address, answer));

    /// <summary>A client left.</summary>
    /// <returns>How many are left.</returns>
    public Task<int> DisconnectAsync(int id) => AskAsync<int>(answer => new StateMessage.Disconnect(id, answer));

    /// <summary>A client chose where its pictures come from.</summary>
    public void Choose(int id, Source source) => Tell(new StateMessage.Choose(id, source));

    /// <summary>Moves a client on to its next picture.</summary>
    /// <returns>Where it comes from, or null when the client has chosen nothing yet.</returns>
    public Task<Source?> AdvanceAsync(int id) => AskAsync<Source?>(answer => new StateMessage.Advance(id, answer));

    /// <summary>Begins a request to the workers.</summary>
    /// <returns>Its ticket, or null when the line is full.</returns>
    public Task<long?> JoinLineAsync(int id, Source source)
        => AskAsync<long?>(answer => new StateMessage.JoinLine(id, source, answer));

    /// <summary>Ends a request to the workers.</summary>
    public void LeaveLine(long ticket) => Tell(new StateMessage.LeaveLine(ticket));

    /// <summary>A picture was sent.</summary>
    public void Show(int id, string title, GraphicsMode mode, ReadOnlyMemory<byte> answer)
        => Tell(new StateMessage.Show(id, title, mode, answer));

    /// <summary>The folders were looked through.</summary>
    public void FindFiles(ImmutableArray<ImageFile> files) => Tell(new StateMessage.FindFiles(files));

    /// <summary>A file turned out to be no picture.</summary>
    public void DropFile(ImageFile file) => Tell(new StateMessage.DropFile(file));

    /// <summary>Takes what was sent before the stop, then nothing more.</summary>
    public override Task StopAsync(CancellationToken cancellationToken)
    {
        _messages.Writer.TryComplete();
        return ExecuteTask?.WaitAsync(cancellationToken) ?? Task.CompletedTask;
    }

    // Ends with the channel: what a session says while the host stops still counts.
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await foreach (var message in _messages.Reader.ReadAllAsync(CancellationToken.None))
            Volatile.Write(ref _current, Take(_current, message));
    }

    // Answers come after the state that they are about is decided, and run elsewhere: no caller's code runs in the
    // loop.
    private ServerState Take(ServerState state, StateMessage message)
    {
        switch (message)
        {
            case StateMessage.Connect connect:
                if (state.Clients.Count >= settings.MaxConnections)
                {
                    connect.Answer.SetResult(null);
                    return state;
                }

                var joined = state.WithClient(connect.Address);
                log.StartingConnection(joined.Clients.Count);
                connect.Answer.SetResult(joined.ClientsSeen);
                return joined;
            case StateMessage.Disconnect disconnect:
                var left = state.WithoutClient(disconnect.Id);
                log.ActiveConnections(left.Clients.Count);
                disconnect.Answer.SetResult(left.Clients.Count);
                return left;
            case StateMessage.Choose choose:
                return state.WithSource(choose.Id, choose.Source);
            case StateMessage.Advance advance:
                var next = state.Clients.GetValueOrDefault(advance.Id)?.Source?.Next;
                advance.Answer.SetResult(next);
                return next is null ? state : state.WithSource(advance.Id, next);
            case StateMessage.JoinLine join:
                if (state.Line.Count >= settings.MaxLine)
                {
                    join.Answer.SetResult(null);
                    return state;
                }

                var longer = state.WithRequest(join.Id, join.Source, time.GetUtcNow());
                join.Answer.SetResult(longer.LastTicket);
                return longer;
            case StateMessage.LeaveLine leave:
                return state.WithoutRequest(leave.Ticket);
            case StateMessage.Show show:
                return state.WithPicture(show.Id, show.Title, show.Mode, show.Answer);
            case StateMessage.FindFiles find:
                return state.WithFiles(find.Files);
            case StateMessage.DropFile drop:
                return state.WithUnreadable(drop.File);
            default:
                throw new InvalidOperationException($"Nothing handles {message.GetType().Name}.");
        }
    }

    private Task<T> AskAsync<T>(Func<TaskCompletionSource<T>, StateMessage> message)
    {
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!_messages.Writer.TryWrite(message(answer)))
            answer.SetException(new OperationCanceledException("The server has stopped."));
        return answer.Task;
    }

    // After the stop nothing needs to know.
    private void Tell(StateMessage message) => _messages.Writer.TryWrite(message);
}
