using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using FederatedLearning.Rounds;
using FederatedLearning.Status;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace FederatedLearning.Tests.Rounds;

/// <summary>A run with a clock that the test turns and an outbox that it looks into.</summary>
internal sealed class World : IOutbox
{
    public World(FederationSettings? settings = null)
    {
        Settings = settings ?? new FederationSettings { MinClients = 2, MaxRounds = 3 };
        Run = new TrainingRun(Settings, Some.Model(), Some.Config, this, Clock, NullLogger.Instance);
    }

    public FederationSettings Settings { get; }

    public FakeTimeProvider Clock { get; } = new();

    public TrainingRun Run { get; }

    /// <summary>Everything that was sent: the handler, -1 for all, and the message.</summary>
    public List<(int Handler, OutgoingMessage Message)> Sent { get; } = [];

    public FederationSnapshot Now
        => Run.ToSnapshot(0, ["amqp", "quic"], _ => 0, [null, null], _ => new TrafficCounts(0, 0, 0, 0, 0));

    public RoundResult Last => Now.Rounds[^1];

    void IOutbox.ToAll(OutgoingMessage message) => Sent.Add((-1, message));

    void IOutbox.ToOne(int handler, OutgoingMessage message)
    {
        Assert.NotNull(message.Recipient);
        Sent.Add((handler, message));
    }

    public MessageVerdict Join(int client, int handler = 0) => Run.Register(handler, Some.Id(client));

    public void JoinAll(params int[] clients)
    {
        foreach (int client in clients) Join(client);
    }

    public MessageVerdict Update(int client, int round, float value = 1, int samples = 10)
        => Update(Some.Update(client, round, value, samples));

    public MessageVerdict Update(ClientUpdate update)
        => Run.Update(0, update, UpdateCheck.FindProblem(update, Some.Model()));

    public MessageVerdict Evaluate(
        int client, int round, double loss = 1, double accuracy = 0.5, int samples = 10, bool converged = false)
        => Run.Evaluated(0, Some.Metrics(client, round, loss, accuracy, samples, converged));

    /// <summary>A whole round of some clients, all with the same loss.</summary>
    public void PlayRound(double loss, params int[] clients)
    {
        int round = Now.Round;
        foreach (int client in clients) Assert.Equal(MessageVerdict.Accepted, Update(client, round));
        foreach (int client in clients) Assert.Equal(MessageVerdict.Accepted, Evaluate(client, round, loss));
    }

    /// <summary>Lets the deadline of the phase pass.</summary>
    public void PassDeadline()
    {
        Clock.Advance(Run.UntilDeadline!.Value);
        Run.Tick();
    }

    /// <summary>What was sent since the last look, as words: "global_model 0 → 3".</summary>
    public List<string> Take()
    {
        List<string> words = [.. Sent.Select(sent => Describe(sent.Message))];
        Sent.Clear();
        return words;
    }

    private static string Describe(OutgoingMessage message)
    {
        string words = message switch
        {
            GlobalModel model => $"global_model {model.Round}{(model.ModelConfig is null ? "" : " with config")}",
            StartTraining start => $"start_training {start.Round}",
            StartEvaluation start => $"start_evaluation {start.Round}",
            TrainingComplete complete => $"training_complete: {complete.Reason}",
            _ => message.MessageType,
        };
        return message.Recipient is { } recipient ? $"{words} → {recipient}" : words;
    }
}
