using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Protocol;
using FederatedLearning.Status;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Rounds;

/// <summary>
/// A training's decisions: rounds, which clients are waited for, what counts. Synchronous and without threads, so that
/// every sequence of events can be replayed; its owner calls it from one loop, with the time from a clock that tests
/// turn by hand.
/// </summary>
/// <remarks>
/// A round: <c>start_training</c>, updates until all awaited have answered or the deadline passes, the average,
/// <c>global_model</c> and <c>start_evaluation</c>, metrics likewise, the next round or <c>training_complete</c>. This
/// file is the rounds; TrainingRun.Clients.cs is what clients do to them.
/// </remarks>
internal sealed partial class TrainingRun
{
    private readonly FederationSettings _settings;
    private readonly ModelConfig _config;
    private readonly IOutbox _outbox;
    private readonly TimeProvider _time;
    private readonly ILogger _log;

    private readonly ClientTable _clients = new();
    private readonly Attendance _attendance = new();
    private readonly FederatedAverage _average;
    private readonly MetricsAverage _metrics = new();
    private readonly Convergence _convergence;
    private readonly Counters _counters = new();

    private FederationPhase _phase = FederationPhase.WaitingForClients;
    private IReadOnlyList<RoundResult> _results = [];
    private int _round, _emptyDeadlines, _missed, _updates;
    private long _samples, _roundStarted, _deadlineAt;
    private DateTimeOffset? _startedAt, _deadline;

    public TrainingRun(
        FederationSettings settings, ModelWeights initial, ModelConfig config, IOutbox outbox, TimeProvider time,
        ILogger log)
    {
        _settings = settings.Validated();
        _config = config;
        _outbox = outbox;
        _time = time;
        _log = log;
        _average = new FederatedAverage(initial.Values.Length);
        _convergence = new Convergence(settings);
        Model = initial;
    }

    /// <summary>The global model.</summary>
    public ModelWeights Model { get; private set; }

    /// <summary>Why the training ended; null while it has not.</summary>
    public CompletionReason? Completion { get; private set; }

    /// <summary>How long until <see cref="Tick"/> has something to do; null when nothing is waited for.</summary>
    public TimeSpan? UntilDeadline
    {
        get
        {
            if (_deadline is null) return null;
            long left = _deadlineAt - _time.GetTimestamp();
            return left <= 0 ? TimeSpan.Zero : _time.GetElapsedTime(0, left);
        }
    }

    /// <summary>
    /// Looks at the clock: a deadline that has passed closes the phase without the clients that did not answer.
    /// </summary>
    public void Tick()
    {
        if (UntilDeadline is not { } left || left > TimeSpan.Zero) return;
        if (_phase == FederationPhase.Training) TrainingDeadline();
        else CloseEvaluation(DismissSilent());
    }

    /// <summary>The server is stopped: a training that has not ended ends here.</summary>
    public void Stop()
    {
        if (_phase != FederationPhase.Complete) Complete(CompletionReason.Stopped);
    }

    private void StartIfEnough()
    {
        if (_phase != FederationPhase.WaitingForClients || _clients.Count < _settings.MinClients) return;
        _startedAt = _time.GetUtcNow();
        _log.TrainingStarts(_clients.Count);
        _outbox.ToAll(new TrainingConfig(_settings.BatchSize, _settings.LocalEpochs));
        _outbox.ToAll(new GlobalModel(0, Model, _config));
        StartRound(1);
    }

    private void StartRound(int round)
    {
        _round = round;
        _roundStarted = _time.GetTimestamp();
        _missed = 0;
        _average.Clear();
        EnterPhase(FederationPhase.Training, _settings.RoundDeadline);
        AwaitTheHeard();
        _log.RoundStarts(round, _attendance.Awaited);
        _outbox.ToAll(new StartTraining(round));
    }

    // A round without clients is not closed but waits: for one to register, or for the deadline.
    private void CloseTrainingIfAllAnswered()
    {
        if (_phase == FederationPhase.Training && _attendance is { Awaited: 0, Answered: > 0 }) CloseTraining(0);
    }

    private void CloseTraining(int missed)
    {
        _missed = missed;
        _updates = _average.Updates;
        _samples = _average.Samples;
        Model = new ModelWeights(Model.Layout, _average.TakeAverage());
        _log.RoundAggregated(_round, _updates, _samples);
        EnterPhase(FederationPhase.Evaluating, _settings.EvaluationDeadline);
        _metrics.Clear();
        AwaitTheHeard();
        _outbox.ToAll(new GlobalModel(_round, Model));
        _outbox.ToAll(new StartEvaluation(_round));
        CloseEvaluationIfAllAnswered();
    }

    private void CloseEvaluationIfAllAnswered()
    {
        if (_phase == FederationPhase.Evaluating && _attendance.Awaited == 0) CloseEvaluation(0);
    }

    private void CloseEvaluation(int missed)
    {
        var (loss, accuracy) = _metrics.Average();
        var result = new RoundResult(
            _round, loss, accuracy, _updates, _samples, _metrics.Count, _missed + missed, _time.GetElapsedTime(
                _roundStarted));
        _results = [.. _results, result];
        _log.RoundComplete(_round, loss, accuracy);
        // Every round's loss is shown to the rule, also where another end comes first.
        bool hasConverged = _convergence.Add(_round, loss);
        if (HaveAllClientsConverged()) Complete(CompletionReason.ClientsConverged);
        else if (hasConverged) Complete(CompletionReason.Converged);
        else if (_round >= _settings.MaxRounds) Complete(CompletionReason.RoundLimit);
        else StartRound(_round + 1);
    }

    // Silent clients do not hold it up, unless they said before they fell silent that they were done.
    private bool HaveAllClientsConverged()
        => _clients.All.Any(client => client.HasConverged)
            && _clients.All.All(client => client.HasConverged || client.IsSilent);

    private void TrainingDeadline()
    {
        int missed = DismissSilent();
        if (_attendance.Answered > 0)
        {
            _emptyDeadlines = 0;
            _log.RoundDeadline(_round, _attendance.Answered, missed);
            CloseTraining(missed);
        }
        else if (++_emptyDeadlines >= _settings.MaxEmptyDeadlines)
        {
            _log.TrainingAbandoned(_round, _emptyDeadlines);
            Complete(CompletionReason.Abandoned);
        }
        else
        {
            AskAgain();
        }
    }

    // No client answered: perhaps none heard. Each, silent or not, is told all there is to know once more.
    private void AskAgain()
    {
        _log.RoundAskedAgain(_round, _emptyDeadlines);
        EnterPhase(FederationPhase.Training, _settings.RoundDeadline);
        foreach (var client in _clients.All) _attendance.Await(client.Id);
        _outbox.ToAll(new TrainingConfig(_settings.BatchSize, _settings.LocalEpochs));
        _outbox.ToAll(new GlobalModel(_round - 1, Model, _config));
        _outbox.ToAll(new StartTraining(_round));
    }

    private void Complete(CompletionReason reason)
    {
        Completion = reason;
        EnterPhase(FederationPhase.Complete, null);
        _log.TrainingComplete(_results.Count, reason);
        _outbox.ToAll(CompleteMessage());
    }

    private TrainingComplete CompleteMessage() => new(_results.Count, Completion switch
    {
        CompletionReason.Converged => "converged",
        CompletionReason.ClientsConverged => "all clients converged",
        CompletionReason.RoundLimit => "round limit",
        CompletionReason.Abandoned => "no client answered",
        _ => "stopped",
    });

    private void EnterPhase(FederationPhase phase, TimeSpan? deadline)
    {
        if (_phase != phase) _log.PhaseChanged(_phase, phase);
        _phase = phase;
        _attendance.Clear();
        _deadline = _time.GetUtcNow() + deadline;
        _deadlineAt =
            deadline is { } after ? _time.GetTimestamp() + (long)(after.TotalSeconds * _time.TimestampFrequency) : 0;
    }

    private void AwaitTheHeard()
    {
        foreach (var client in _clients.All)
        {
            if (!client.IsSilent) _attendance.Await(client.Id);
        }
    }

    private int DismissSilent()
    {
        int missed = 0;
        foreach (var client in _clients.All)
        {
            if (!_attendance.Awaits(client.Id)) continue;
            client.IsSilent = true;
            missed++;
            _log.ClientSilent(client.Id, _round);
        }
        return missed;
    }
}
