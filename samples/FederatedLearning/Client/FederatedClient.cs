using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Protocol;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Client;

/// <summary>A client's whole part in a training: does what the server asks, until it is over.</summary>
/// <remarks>
/// Over queues of its own, kinds of messages overtake each other: an order waits here until the model is there that it
/// is about. One order at a time is worked on; a newer one takes the place of one that waits, and ends one that is
/// worked on, for its answer would be ignored. An order that comes twice is not worked on twice at once, and one that
/// is older than the latest is not worked on at all.
/// </remarks>
internal sealed class FederatedClient(ClientId id, ClientConnection connection, ILearner learner, ILogger log)
{
    private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TrainingConfig? _how;
    private GlobalModel? _model;
    private ModelConfig? _config;
    private OutgoingMessage? _order;
    private int _latest, _changedAfter;
    private (Task Work, CancellationTokenSource Cancel)? _running;

    /// <summary>After how many rounds it goes on to the next protocol of its list; 0 for never.</summary>
    public int RoundsPerProtocol { get; init; }

    /// <summary>Takes part until the training is complete.</summary>
    /// <returns>The last message: <see cref="TrainingComplete"/> or <see cref="Rejected"/>.</returns>
    public async Task<OutgoingMessage> RunAsync(CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var taking = TakeAllAsync(end.Token);
        await Task.WhenAny(taking, _failed.Task);
        await end.CancelAsync();
        await ((Task)taking).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await EndRunningAsync();
        if (_failed.Task.IsFaulted)
            await _failed.Task;
        return await taking;
    }

    private async Task<OutgoingMessage> TakeAllAsync(CancellationToken cancellationToken)
    {
        await foreach (var message in connection.Received.ReadAllAsync(cancellationToken))
        {
            if (Take(message))
                return message;
            await StartOrderAsync(cancellationToken);
        }

        throw new OperationCanceledException("The connection was closed.");
    }

    /// <summary>Takes note of a message; whether it is the last one.</summary>
    private bool Take(OutgoingMessage message)
    {
        switch (message)
        {
            case TrainingConfig how:
                _how = how;
                break;
            case GlobalModel model:
                // The server repeats itself after a fault: an older model than the one at hand is not news, but for one
                // that comes with its configuration. That one begins a training, or answers a registration: the server
                // may be another, whose rounds are earlier.
                if (model.ModelConfig is not null && model.Round < (_model?.Round ?? 0))
                    _latest = 0;
                if (_model is null || model.Round >= _model.Round || model.ModelConfig is not null)
                    _model = model;
                _config = model.ModelConfig ?? _config;
                log.ReceivedModel(model.Round);
                break;
            case StartTraining or StartEvaluation:
                if (IsNews(message))
                    _order = message;
                ChangeProtocolAfter((message as StartTraining)?.Round - 1 ?? 0);
                break;
            case ErrorReport error:
                log.ToldOfError(error.Reason);
                break;
            case TrainingComplete complete:
                log.Complete(id.Value, complete.Reason);
                return true;
            case Rejected rejected:
                log.Rejected(id.Value, rejected.Reason);
                return true;
        }

        return false;
    }

    // Between rounds, once for each: an order may come twice.
    private void ChangeProtocolAfter(int round)
    {
        if (RoundsPerProtocol == 0 || round <= _changedAfter || round % RoundsPerProtocol != 0)
            return;
        _changedAfter = round;
        connection.ChangeProtocol();
    }

    // Asked again for what is done, the client does it again: the server has not had its answer.
    private bool IsNews(OutgoingMessage order)
    {
        int place = order is StartEvaluation evaluation ? 2 * evaluation.Round + 1 : 2 * ((StartTraining)order).Round;
        if (place < _latest || (place == _latest && (_order is not null || _running is { Work.IsCompleted: false })))
            return false;
        _latest = place;
        return true;
    }

    private async Task StartOrderAsync(CancellationToken cancellationToken)
    {
        if (_order is not { } order || _how is not { } how || _config is not { } config || _model is not { } model
            || model.Round < NeededBy(order))
            return;
        _order = null;
        await EndRunningAsync();
        var cancel = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _running = (Task.Run(() => DoAsync(order, model, config, how, cancel.Token), CancellationToken.None), cancel);
    }

    private static int NeededBy(OutgoingMessage order) => order switch
    {
        StartTraining start => start.Round - 1,
        StartEvaluation start => start.Round,
        _ => throw new InvalidOperationException($"{order.MessageType} is no order."),
    };

    private async Task EndRunningAsync()
    {
        if (_running is not { } running)
            return;
        _running = null;
        await running.Cancel.CancelAsync();
        await running.Work;
        running.Cancel.Dispose();
    }

    private async Task DoAsync(OutgoingMessage order, GlobalModel model, ModelConfig config, TrainingConfig how,
        CancellationToken cancellationToken)
    {
        try
        {
            if (order is StartTraining { Round: var round })
                await TrainAsync(round, model.Weights, config, how, cancellationToken);
            else if (order is StartEvaluation { Round: var evaluated })
                await EvaluateAsync(evaluated, model.Weights, config, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // A newer order came, or it is over.
        }
        catch (Exception error)
        {
            _failed.TrySetException(error); // a model that this client cannot train: it cannot take part
        }
    }

    private async Task TrainAsync(
        int round, ModelWeights global, ModelConfig config, TrainingConfig how, CancellationToken cancellationToken)
    {
        log.Training(round);
        var (weights, metrics) = learner.Train(global, config, how, round, cancellationToken);
        await connection.SendAsync(
            new ClientUpdate(id, round, weights, learner.TrainingSamples, metrics), cancellationToken);
        log.Trained(round, metrics.Loss, metrics.Accuracy);
    }

    private async Task EvaluateAsync(
        int round, ModelWeights global, ModelConfig config, CancellationToken cancellationToken)
    {
        log.Evaluating(round);
        var metrics = learner.Evaluate(global, config, cancellationToken);
        await connection.SendAsync(new ClientMetrics(id, round, learner.EvaluationSamples, metrics), cancellationToken);
        log.Evaluated(round, metrics.Loss, metrics.Accuracy);
    }
}
