using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Protocol;
using FederatedLearning.Results;
using FederatedLearning.Status;
using FederatedLearning.Training;
using FederatedLearning.Training.Data;
using FederatedLearning.Training.Models;
using Microsoft.Extensions.Logging.Abstractions;

namespace FederatedLearning.Tests.Server;

public sealed class FederationServerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Fifty_clients_over_two_protocols_train_together_each_update_counts_once_and_all_hear_of_the_end()
    {
        var clients = Enumerable.Range(1, 50).Select(Simple).ToArray();
        await using var server = Server(new FederationSettings { MinClients = 50, MaxRounds = 10, MinRounds = 10 },
            new PeerHandler("one", clients[..20]), new PeerHandler("two", clients[20..]));
        await server.StartAsync(TestContext.Current.CancellationToken);
        var result = await server.Completion.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal((CompletionReason.RoundLimit, true), (result.Reason, result.IsSuccess));
        Assert.All(result.Rounds, round => Assert.Equal((50, 50, 0), (round.Updates, round.Evaluations, round.Missed)));
        Assert.Equal(
            (500, 500, 0, 0),
            (result.Counts.Updates, result.Counts.Metrics, result.Counts.Refused, result.Counts.Stale));
        Assert.Equal([20, 30], server.Snapshot.Handlers.Select(handler => handler.Clients));
        await server.StopAsync(TestContext.Current.CancellationToken);
        Assert.All(clients, client => Assert.Equal(10, client.Completed?.Round));
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_model_bit_by_bit_whichever_client_answers_first()
    {
        var settings = new LearningSettings { TrainSamples = 300, TestSamples = 50, Shares = 5, Hidden = [16] };
        var models = new List<float[]>();
        for (int run = 0; run < 3; run++) models.Add((await TrainAsync(settings, rounds: 4)).Model.Values.ToArray());
        Assert.Equal(
            models[0].Select(BitConverter.SingleToInt32Bits), models[1].Select(BitConverter.SingleToInt32Bits));
        Assert.Equal(
            models[0].Select(BitConverter.SingleToInt32Bits), models[2].Select(BitConverter.SingleToInt32Bits));
        var other = await TrainAsync(settings with { Seed = 2 }, rounds: 4);
        Assert.NotEqual(models[0], other.Model.Values.ToArray());
    }

    [Fact]
    public async Task A_handler_that_fails_takes_only_its_clients_with_it()
    {
        var clients = Enumerable.Range(1, 3).Select(Simple).ToArray();
        var deaf = new SilentHandler();
        await using var server = Server(
            new FederationSettings { MinClients = 4, MaxRounds = 3 }, new PeerHandler("one", clients), deaf);
        await server.StartAsync(TestContext.Current.CancellationToken);
        await deaf.Federation!.ClientRegisteredAsync(
            new ClientRegistration(Some.Id(9)), TestContext.Current.CancellationToken);
        await WhenAsync(server, state => state.Received == 3);
        await deaf.Federation.HandlerFailedAsync(new IOException("broken"), TestContext.Current.CancellationToken);
        var result = await server.Completion.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal(CompletionReason.RoundLimit, result.Reason);
        Assert.Equal([null, "broken"], server.Snapshot.Handlers.Select(handler => handler.Failure));
    }

    [Fact]
    public async Task The_deadline_of_a_round_fires_by_the_clock_without_any_message()
    {
        var clock = new ManualTimeProvider();
        var handler = new SilentHandler();
        var settings = new FederationSettings { MinClients = 1, MaxEmptyDeadlines = 2 };
        await using var server = Server(settings, clock, handler);
        await server.StartAsync(TestContext.Current.CancellationToken);
        await handler.Federation!.ClientRegisteredAsync(
            new ClientRegistration(Some.Id(1)), TestContext.Current.CancellationToken);
        for (int i = 0; i < settings.MaxEmptyDeadlines; i++)
        {
            await clock.WhenArmedAsync(settings.RoundDeadline)
                .WaitAsync(Patience, TestContext.Current.CancellationToken);
            clock.Advance(settings.RoundDeadline);
        }
        var result = await server.Completion.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal((CompletionReason.Abandoned, false), (result.Reason, result.IsSuccess));
    }

    [Fact]
    public async Task Stopping_ends_a_running_training_and_later_messages_are_answered_all_the_same()
    {
        var handler = new SilentHandler();
        var server = Server(new FederationSettings { MinClients = 1 }, handler);
        await server.StartAsync(TestContext.Current.CancellationToken);
        await handler.Federation!.ClientRegisteredAsync(
            new ClientRegistration(Some.Id(1)), TestContext.Current.CancellationToken);
        await Task.WhenAll(
            server.StopAsync(TestContext.Current.CancellationToken),
            server.StopAsync(TestContext.Current.CancellationToken));
        Assert.Equal(CompletionReason.Stopped, (await server.Completion).Reason);
        Assert.True(handler.IsStopped);
        Assert.Equal(
            MessageVerdict.Stale,
            await handler.Federation.UpdateReceivedAsync(Some.Update(1, 1), TestContext.Current.CancellationToken));
        await server.DisposeAsync();
    }

    [Fact]
    public async Task When_one_handler_cannot_start_the_others_are_stopped_again()
    {
        var first = new SilentHandler();
        await using var server = Server(
            new FederationSettings(),
            first,
            new SilentHandler("broken") { StartError = new InvalidOperationException("no such setting") });
        Assert.Equal("no such setting", (await Assert.ThrowsAsync<InvalidOperationException>(
            () => server.StartAsync(TestContext.Current.CancellationToken))).Message);
        Assert.True(first.IsStopped);
    }

    internal static async Task<TrainingResult> TrainAsync(LearningSettings settings, int rounds)
    {
        var config = settings.ToModelConfig();
        var clients = Enumerable.Range(0, settings.Shares).Select(i => Real(settings, config, i)).ToArray();
        var core = new FederationSettings
        {
            MinClients = settings.Shares,
            MaxRounds = rounds,
            MinRounds = rounds,
            BatchSize = 32
        };
        await using var server = new FederationServer(core, ModelFactory.Create(config), config,
            [new PeerHandler("one", clients[..2]), new PeerHandler("two", clients[2..])], TimeProvider.System,
            NullLogger<FederationServer>.Instance);
        await server.StartAsync(TestContext.Current.CancellationToken);
        return await server.Completion.WaitAsync(Patience, TestContext.Current.CancellationToken);
    }

    private static PeerClient Real(LearningSettings settings, ModelConfig config, int index)
    {
        var share = LearningData.LoadShare(settings, index);
        var trainer = new LocalTrainer(config, share.Train, share.Test, index);
        return new PeerClient(Some.Id(index),
            (model, _, training, round) => new ClientUpdate(
                Some.Id(index), round, trainer.Train(model, training, round).Weights, trainer.TrainSamples),
            (model, round) => new ClientMetrics(Some.Id(index), round, trainer.TestSamples, trainer.Evaluate(model)));
    }

    private static PeerClient Simple(int number) => new(Some.Id(number),
        (_, _, _, round) => Some.Update(number, round, number), (_, round) => Some.Metrics(number, round, 1.0 / round));

    private static FederationServer Server(FederationSettings settings, params IProtocolHandler[] handlers)
        => Server(settings, TimeProvider.System, handlers);

    private static FederationServer Server(
        FederationSettings settings, TimeProvider clock, params IProtocolHandler[] handlers)
        => new(settings, Some.Model(), Some.Config, handlers, clock, NullLogger<FederationServer>.Instance);

    private static async Task WhenAsync(FederationServer server, Predicate<FederationSnapshot> condition)
    {
        using var patience = new CancellationTokenSource(Patience);
        for (var state = server.Snapshot; !condition(state);)
            state = await server.ChangedAsync(state.Version, patience.Token);
    }

    /// <summary>A handler whose clients never answer by themselves.</summary>
    private sealed class SilentHandler(string name = "silent") : IProtocolHandler
    {
        public string Name => name;

        public Exception? StartError { get; init; }

        public IFederation? Federation { get; private set; }

        public bool IsStopped { get; private set; }

        public Task StartAsync(HandlerContext context, CancellationToken cancellationToken)
        {
            Federation = context.Federation;
            return StartError is null ? Task.CompletedTask : Task.FromException(StartError);
        }

        public Task StopAsync(CancellationToken cancellationToken)
        {
            IsStopped = true;
            return Task.CompletedTask;
        }

        public ValueTask DisposeAsync() => default;
    }
}
