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
            Take(_current, message);
    }

    // Answers come after the state that they are about is there to be read, and run elsewhere: no caller's code runs in
    // the loop.
    private void Take(ServerState state, StateMessage message)
    {
        switch (message)
        {
            case StateMessage.Connect connect:
                if (state.Clients.Count >= settings.MaxConnections)
                {
                    connect.Answer.SetResult(null);
                    break;
                }

                var joined = state.WithClient(connect.Address);
                log.StartingConnection(joined.Clients.Count);
                Become(joined);
                connect.Answer.SetResult(joined.ClientsSeen);
                break;
            case StateMessage.Disconnect disconnect:
                var left = state.WithoutClient(disconnect.Id);
                log.ActiveConnections(left.Clients.Count);
                Become(left);
                disconnect.Answer.SetResult(left.Clients.Count);
                break;
            case StateMessage.Choose choose:
                Become(state.WithSource(choose.Id, choose.Source));
                break;
            case StateMessage.Advance advance:
                var next = state.Clients.GetValueOrDefault(advance.Id)?.Source?.Next;
                if (next is not null) Become(state.WithSource(advance.Id, next));
                advance.Answer.SetResult(next);
                break;
            case StateMessage.JoinLine join:
                if (state.Line.Count >= settings.MaxLine)
                {
                    join.Answer.SetResult(null);
                    break;
                }

                var longer = state.WithRequest(join.Id, join.Source, time.GetUtcNow());
                Become(longer);
                join.Answer.SetResult(longer.LastTicket);
                break;
            case StateMessage.LeaveLine leave:
                Become(state.WithoutRequest(leave.Ticket));
                break;
            case StateMessage.Show show:
                Become(state.WithPicture(show.Id, show.Title, show.Mode, show.Answer));
                break;
            case StateMessage.FindFiles find:
                Become(state.WithFiles(find.Files));
                break;
            case StateMessage.DropFile drop:
                Become(state.WithUnreadable(drop.File));
                break;
            default:
                throw new InvalidOperationException($"Nothing handles {message.GetType().Name}.");
        }
    }

    private void Become(ServerState next) => Volatile.Write(ref _current, next);

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
