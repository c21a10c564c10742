using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using FederatedLearning.Status;

namespace FederatedLearning.Rounds;

/// <summary>What clients do: they come, answer, err and go.</summary>
internal sealed partial class TrainingRun
{
    /// <summary>A client asks to take part.</summary>
    public MessageVerdict Register(int handler, ClientId id)
    {
        if (_phase == FederationPhase.Complete) return Dismiss(handler, id);
        var client = _clients.Find(id);
        if (client is null)
        {
            if (!HasRoom()) return Reject(handler, id);
            client = _clients.Add(id, handler);
        }
        // The way that it came by before ends there: what it is told goes one way, and the handler forgets it.
        if (client.Handler != handler)
            _outbox.ToOne(client.Handler, new Rejected("registered over another protocol since") { Recipient = id });
        client.Handler = handler;
        client.IsSilent = false;
        client.HasConverged = false;
        _counters.Registrations++;
        _log.ClientRegistered(id, _clients.Count);
        Welcome(client);
        StartIfEnough();
        return MessageVerdict.Accepted;
    }

    /// <summary>A client has trained.</summary>
    /// <param name="handler">Over which handler it says so.</param>
    /// <param name="update">What it made.</param>
    /// <param name="problem">What <see cref="UpdateCheck"/> found.</param>
    public MessageVerdict Update(int handler, ClientUpdate update, string? problem)
    {
        if (Hear(handler, update.Client) is not { } client) return MessageVerdict.Refused;
        if (update.Round != _round || _phase is FederationPhase.WaitingForClients or FederationPhase.Complete)
            return OtherRound(client, update.Round, "update");
        if (client.LastRound == _round) return _counters.Note(MessageVerdict.Duplicate);
        if (_phase != FederationPhase.Training) return _counters.Note(MessageVerdict.Stale);
        if (_attendance.HasAnswered(client.Id)) return _counters.Note(MessageVerdict.Duplicate); // left and came back
        problem ??=
            _average.HasRoomFor(update.NumSamples) ? null : "num_samples: the round's samples are too many in all";
        if (problem is not null) return Refuse(client, problem);

        _average.Add(update.Weights.Values, update.NumSamples);
        _attendance.Answer(client.Id);
        client.LastRound = _round;
        client.Samples = update.NumSamples;
        _emptyDeadlines = 0;
        _counters.Updates++;
        _log.UpdateReceived(client.Id, _round, update.NumSamples);
        CloseTrainingIfAllAnswered();
        return MessageVerdict.Accepted;
    }

    /// <summary>
    /// A client has evaluated. Also one that was not asked (it joined meanwhile) counts: it had the same model.
    /// </summary>
    public MessageVerdict Evaluated(int handler, ClientMetrics metrics)
    {
        if (Hear(handler, metrics.Client) is not { } client) return MessageVerdict.Refused;
        if (metrics.Round != _round || _phase is FederationPhase.WaitingForClients or FederationPhase.Complete)
            return OtherRound(client, metrics.Round, "metrics");
        if (_phase != FederationPhase.Evaluating) return _counters.Note(MessageVerdict.Stale);
        if (_attendance.HasAnswered(client.Id)) return _counters.Note(MessageVerdict.Duplicate);
        string? problem =
            metrics.NumSamples < 1 ? "num_samples must be at least 1" : UpdateCheck.FindProblem(metrics.Metrics);
        if (problem is not null) return Refuse(client, problem);

        _metrics.Add(metrics);
        _attendance.Answer(client.Id);
        client.HasConverged = metrics.Converged;
        _counters.Metrics++;
        _log.MetricsReceived(client.Id, _round, metrics.Metrics.Loss, metrics.Metrics.Accuracy);
        CloseEvaluationIfAllAnswered();
        return MessageVerdict.Accepted;
    }

    /// <summary>A handler could not read a message.</summary>
    public void Unreadable(int handler, ClientId? id, string reason)
    {
        if (id is null)
        {
            _counters.Note(MessageVerdict.Refused);
            _log.MessageRefused("an unknown client", reason);
        }
        else if (Hear(handler, id) is { } client)
        {
            Refuse(client, reason);
        }
    }

    /// <summary>A client is gone. The table of a training that is complete keeps those that took part.</summary>
    public void Leave(int handler, ClientId id, string reason)
    {
        if (_phase == FederationPhase.Complete) return;
        if (_clients.Find(id) is not { } client || client.Handler != handler) return;
        Remove(client, reason);
        CloseTrainingIfAllAnswered();
        CloseEvaluationIfAllAnswered();
    }

    /// <summary>A handler is gone, and with it its clients, as in <see cref="Leave"/>.</summary>
    public void HandlerGone(int handler, string reason)
    {
        if (_phase == FederationPhase.Complete) return;
        foreach (var client in _clients.All.Where(client => client.Handler == handler).ToArray())
            Remove(client, reason);
        CloseTrainingIfAllAnswered();
        CloseEvaluationIfAllAnswered();
    }

    // Any sign of life ends silence; a message from a client that is not in the table is refused.
    private Client? Hear(int handler, ClientId id)
    {
        if (_clients.Find(id) is { } client)
        {
            client.IsSilent = false;
            return client;
        }
        _counters.Note(MessageVerdict.Refused);
        _log.MessageRefused(id.Value, ErrorReport.NotRegistered);
        _outbox.ToOne(handler, new ErrorReport(ErrorReport.NotRegistered, _round) { Recipient = id });
        return null;
    }

    // Older: it comes too late, which happens. Newer: this server has not asked for it, but the one before it may have,
    // if it was killed in a later round. Either way it is no answer to this round, and the client is still waited for.
    private MessageVerdict OtherRound(Client client, int round, string what)
        => round <= _round && round > 0
            ? _counters.Note(MessageVerdict.Stale)
            : Report(client, $"{what} of round {round}, but the round is {_round}");

    // An answer to this round that cannot be used: the client is no longer waited for.
    private MessageVerdict Refuse(Client client, string reason)
    {
        var verdict = Report(client, reason);
        _attendance.Refuse(client.Id);
        CloseTrainingIfAllAnswered();
        CloseEvaluationIfAllAnswered();
        return verdict;
    }

    private MessageVerdict Report(Client client, string reason)
    {
        _log.MessageRefused(client.Id.Value, reason);
        _outbox.ToOne(client.Handler, new ErrorReport(reason, _round) { Recipient = client.Id });
        return _counters.Note(MessageVerdict.Refused);
    }

    // What a client that comes while a round runs must know to take part in it.
    private void Welcome(Client client)
    {
        if (_phase == FederationPhase.WaitingForClients) return;
        bool isTraining = _phase == FederationPhase.Training;
        Tell(client, new TrainingConfig(_settings.BatchSize, _settings.LocalEpochs));
        Tell(client, new GlobalModel(isTraining ? _round - 1 : _round, Model, _config));
        if (isTraining && !_attendance.HasAnswered(client.Id))
        {
            _attendance.Await(client.Id);
            Tell(client, new StartTraining(_round));
        }
        else if (_attendance.Awaits(client.Id))
        {
            Tell(client, new StartEvaluation(_round));
        }
    }

    private bool HasRoom()
    {
        if (_clients.Count < _settings.MaxClients) return true;
        if (_clients.All.FirstOrDefault(client => client.IsSilent) is not { } silent) return false;
        Remove(silent, "silent, made room for another");
        return true;
    }

    private MessageVerdict Reject(int handler, ClientId id)
    {
        _counters.Rejections++;
        string reason = $"the server is full: {_settings.MaxClients} clients";
        _log.ClientRejected(id, reason);
        _outbox.ToOne(handler, new Rejected(reason) { Recipient = id });
        return MessageVerdict.Refused;
    }

    // Too late to train, but not to have the result.
    private MessageVerdict Dismiss(int handler, ClientId id)
    {
        _counters.Registrations++;
        _outbox.ToOne(handler, new GlobalModel(_results.Count, Model, _config) { Recipient = id });
        _outbox.ToOne(handler, CompleteMessage() with { Recipient = id });
        return MessageVerdict.Accepted;
    }

    private void Remove(Client client, string reason)
    {
        _clients.Remove(client);
        _attendance.Dismiss(client.Id);
        _counters.Departures++;
        _log.ClientLeft(client.Id, reason);
    }

    private void Tell(Client client, OutgoingMessage message)
        => _outbox.ToOne(client.Handler, message with { Recipient = client.Id });
}
