using System.Threading.Channels;
using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Protocol;
using FederatedLearning.Rounds;
using FederatedLearning.Status;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Server;

/// <summary>
/// The one owner of a training's state: a loop that takes commands from a bounded queue, lets <see cref="TrainingRun"/>
/// decide, and publishes the new state. Nothing else touches the run.
/// </summary>
internal sealed class FederationLoop : IOutbox, IFederationStatus
{
    // What waits here is a handler's delivery, which its prefetch bounds; this bounds handlers that have no prefetch.
    private const int MaxCommands = 64;

    private readonly Channel<FederationCommand> _commands = Channel.CreateBounded<FederationCommand>(
        new BoundedChannelOptions(MaxCommands) { SingleReader = true });
    private readonly string[] _names;
    private readonly string?[] _failures;
    private readonly OutgoingQueue[] _queues;
    private readonly ProtocolTraffic[] _traffic;
    private readonly TrainingRun _run;
    private readonly ITimer _timer;
    private readonly ILogger _log;
    private readonly TaskCompletionSource<CompletionReason> _completion = new(
        TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly List<(FederationCommand Command, MessageVerdict Verdict)> _decided = [];

    private volatile State _state;

    public FederationLoop(
        FederationSettings settings, ModelWeights initial, ModelConfig config, IReadOnlyList<string> handlers,
        TimeProvider time, ILogger log)
    {
        _names = [.. handlers];
        _failures = new string?[_names.Length];
        _queues = [.. _names.Select(_ => new OutgoingQueue())];
        _traffic = [.. _names.Select(_ => new ProtocolTraffic())];
        _log = log;
        InitialModel = initial;
        _run = new TrainingRun(settings, initial, config, this, time, log);
        _timer = time.CreateTimer(_ => _commands.Writer.TryWrite(new FederationCommand.Wake()), null,
            Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _state = new State(TakeSnapshot(0));
    }

    /// <summary>The model of the beginning: its layout is that of every later one.</summary>
    public ModelWeights InitialModel { get; }

    /// <summary>
    /// The model now. For the end: while the loop runs it may be that of another round a moment later.
    /// </summary>
    public ModelWeights Model => _run.Model;

    /// <summary>Ends when the training has.</summary>
    public Task<CompletionReason> Completion => _completion.Task;

    // The traffic goes on while nothing is decided: it is that of the moment of asking.
    public FederationSnapshot Snapshot => WithTraffic(_state.Snapshot);

    /// <summary>A handler's queue.</summary>
    public OutgoingQueue QueueOf(int handler) => _queues[handler];

    /// <summary>A handler's counters.</summary>
    public ProtocolTraffic TrafficOf(int handler) => _traffic[handler];

    public async ValueTask<FederationSnapshot> ChangedAsync(long seen, CancellationToken cancellationToken = default)
    {
        for (var state = _state; ; state = _state)
        {
            if (state.Snapshot.Version > seen) return WithTraffic(state.Snapshot);
            await state.Replaced.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Has a command decided. Once the loop has ended, a message is stale.</summary>
    public async ValueTask<MessageVerdict> AskAsync(FederationCommand command, CancellationToken cancellationToken)
    {
        try
        {
            await _commands.Writer.WriteAsync(command, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            return MessageVerdict.Stale;
        }
        return await command.Done.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Takes no more commands; the loop ends when it has decided those that it has.</summary>
    public void Complete() => _commands.Writer.TryComplete();

    /// <summary>
    /// The loop. Ends after <see cref="Complete"/>, or by a bug, which every waiting caller is told of.
    /// </summary>
    public async Task RunAsync()
    {
        try
        {
            while (await _commands.Reader.WaitToReadAsync())
            {
                while (_commands.Reader.TryRead(out var command)) Decide(command);
                _run.Tick();
                Publish();
                EndDecided();
                Arm();
            }
        }
        catch (Exception error)
        {
            _log.LoopFailed(error);
            _completion.TrySetException(error);
            throw;
        }
        finally
        {
            _commands.Writer.TryComplete();
            EndDecided();
            while (_commands.Reader.TryRead(out var left)) left.Done.TrySetResult(MessageVerdict.Stale);
            CompleteQueues();
            await _timer.DisposeAsync();
        }
    }

    /// <summary>Nothing more will be sent.</summary>
    public void CompleteQueues()
    {
        foreach (var queue in _queues) queue.Complete();
    }

    void IOutbox.ToAll(OutgoingMessage message)
    {
        foreach (var queue in _queues) queue.Post(message);
    }

    void IOutbox.ToOne(int handler, OutgoingMessage message) => _queues[handler].Post(message);

    private void Decide(FederationCommand command)
    {
        try
        {
            _decided.Add((command, Handle(command)));
        }
        catch (Exception error)
        {
            command.Done.TrySetException(error);
            throw;
        }
    }

    // After the new state is published: a caller that resumes sees what it has brought about.
    private void EndDecided()
    {
        foreach (var (command, verdict) in _decided) command.Done.TrySetResult(verdict);
        _decided.Clear();
    }

    private MessageVerdict Handle(FederationCommand command)
    {
        switch (command)
        {
            case FederationCommand.Register register: return _run.Register(register.Handler, register.Client);
            case FederationCommand.Update update: return _run.Update(update.Handler, update.Message, update.Problem);
            case FederationCommand.Evaluated evaluated: return _run.Evaluated(evaluated.Handler, evaluated.Message);
            case FederationCommand.Unreadable unreadable:
                _run.Unreadable(unreadable.Handler, unreadable.Client, unreadable.Reason);
                break;
            case FederationCommand.Leave leave: _run.Leave(leave.Handler, leave.Client, leave.Reason); break;
            case FederationCommand.HandlerGone gone: EndHandler(gone.Handler, gone.Error); break;
            case FederationCommand.Stop: _run.Stop(); break;
            case FederationCommand.Wake: break;
            default: throw new InvalidOperationException($"{command.GetType().Name} is not of the family.");
        }
        return MessageVerdict.Accepted;
    }

    private void EndHandler(int handler, Exception error)
    {
        if (_failures[handler] is not null) return;
        _failures[handler] = error.Message;
        _queues[handler].Complete();
        _log.HandlerFailed(error, _names[handler]);
        _run.HandlerGone(handler, "its protocol's handler failed");
    }

    // The state before the completion: a reader that sees the end sees its state.
    private void Publish()
    {
        var old = _state;
        _state = new State(TakeSnapshot(old.Snapshot.Version + 1));
        old.Replaced.TrySetResult();
        if (_run.Completion is { } reason) _completion.TrySetResult(reason);
    }

    private void Arm() => _timer.Change(_run.UntilDeadline ?? Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    private FederationSnapshot TakeSnapshot(long version)
        => _run.ToSnapshot(version, _names, i => _queues[i].Count, [.. _failures], i => _traffic[i].Counts);

    private FederationSnapshot WithTraffic(FederationSnapshot snapshot)
        => snapshot with
        {
            Handlers = [.. snapshot.Handlers.Select((handler, i) => handler with { Traffic = _traffic[i].Counts })]
        };

    private sealed record State(FederationSnapshot Snapshot)
    {
        public TaskCompletionSource Replaced { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
