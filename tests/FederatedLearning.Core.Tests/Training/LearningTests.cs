using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Rounds;
using FederatedLearning.Tests.Server;
using FederatedLearning.Training;
using FederatedLearning.Training.Data;
using FederatedLearning.Training.Models;

namespace FederatedLearning.Tests.Training;

public sealed class LearningTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("softmax")]
    [InlineData("mlp")]
    public void One_step_on_each_clients_whole_data_averaged_is_the_step_on_all_data(string kind)
    {
        var settings = new LearningSettings
        {
            Model = kind,
            Hidden = [12, 8],
            TrainSamples = 403,
            TestSamples = 20,
            Shares = 5,
            DirichletAlpha = 0.5
        };
        var config = settings.ToModelConfig();
        var model = ModelFactory.Create(config);
        var average = new FederatedAverage(model.Values.Length);
        for (int i = 0; i < settings.Shares; i++)
        {
            var share = LearningData.LoadShare(settings, i);
            var trainer = new LocalTrainer(config, share.Train, share.Test, i);
            average.Add(
                trainer.Train(model, new TrainingConfig(int.MaxValue, 1), 1, Ct).Weights.Values, trainer.TrainSamples);
        }
        var all = LearningData.Load(settings);
        float[] central = new LocalTrainer(config, all.Train, all.Test, 99)
            .Train(model, new TrainingConfig(int.MaxValue, 1), 1, Ct).Weights.Values.ToArray();
        float[] federated = average.TakeAverage();
        Assert.True(
            central.Zip(model.Values.ToArray(), (after, before) => Math.Abs(after - before)).Max() > 1e-3,
            "the step moved nothing");
        Assert.All(central.Zip(federated), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
    }

    [Fact]
    public async Task Five_clients_reach_95_percent_on_held_out_digits_within_1_point_of_central_training()
    {
        var settings = new LearningSettings
        {
            TrainSamples = 3000,
            TestSamples = 1000,
            LearningRate = 0.2,
            Hidden = [32]
        };
        const int Rounds = 12;
        var result = await FederationServerTests.TrainAsync(settings, Rounds);
        var all = LearningData.Load(settings);
        var config = settings.ToModelConfig();
        var trainer = new LocalTrainer(config, all.Train, all.Test, 0);

        // Centrally a pass over the data makes five times as many steps, so both are taken to where they no longer gain
        // much.
        var central = ModelFactory.Create(config);
        for (int round = 1; round <= Rounds; round++)
            central = trainer.Train(central, new TrainingConfig(32, 1), round, Ct).Weights;
        var (federatedAccuracy, centralAccuracy) =
            (trainer.Evaluate(result.Model, Ct).Accuracy, trainer.Evaluate(central, Ct).Accuracy);
        Assert.True(federatedAccuracy > 0.95, $"federated {federatedAccuracy}");
        Assert.True(
            Math.Abs(federatedAccuracy - centralAccuracy) <= 0.01,
            $"federated {federatedAccuracy}, central {centralAccuracy}");
        Assert.Equal(federatedAccuracy, result.Rounds[^1].Accuracy!.Value, 1e-9);
    }

    [Theory]
    [InlineData("softmax")]
    [InlineData("mlp")]
    public void The_gradient_is_that_of_finite_differences(string kind)
    {
        var config = new ModelConfig(kind, 6, kind == "mlp" ? [5, 4] : [], 3, 1, 3);
        var network = new Network(config);
        var random = SeededRandom.For(8);
        float[] parameters = ModelFactory.Create(config).Values.ToArray();
        for (int i = 0; i < parameters.Length; i++) parameters[i] += (float)(0.1 * random.NextGaussian());
        float[] input = [.. Enumerable.Range(0, 6).Select(_ => (float)random.NextDouble())];
        float[] gradient = new float[parameters.Length];
        network.AddGradient(parameters, input, 1, gradient);
        const float Step = 1e-2f;
        for (int i = 0; i < parameters.Length; i++)
        {
            float kept = parameters[i];
            parameters[i] = kept + Step;
            float above = network.Evaluate(parameters, input, 1).Loss;
            parameters[i] = kept - Step;
            float below = network.Evaluate(parameters, input, 1).Loss;
            parameters[i] = kept;
            Assert.Equal((above - below) / (2 * Step), gradient[i], 3e-3f);
        }
    }

    [Fact]
    public void Training_is_repeatable_bit_by_bit_and_each_round_and_client_shuffles_differently()
    {
        var settings = new LearningSettings { TrainSamples = 100, TestSamples = 10, Shares = 1, Hidden = [8] };
        var data = LearningData.Load(settings);
        var config = settings.ToModelConfig();
        var model = ModelFactory.Create(config);
        float[] Train(int client, int round) => new LocalTrainer(config, data.Train, data.Test, client)
            .Train(model, new TrainingConfig(10, 2), round, Ct).Weights.Values.ToArray();
        Assert.Equal(Train(1, 1), Train(1, 1));
        Assert.NotEqual(Train(1, 1), Train(1, 2));
        Assert.NotEqual(Train(1, 1), Train(2, 1));
    }

    [Fact]
    public void A_model_that_does_not_fit_the_configuration_or_the_data_is_refused()
    {
        var settings = new LearningSettings { TrainSamples = 10, TestSamples = 10, Hidden = [4] };
        var data = LearningData.Load(settings);
        var trainer = new LocalTrainer(settings.ToModelConfig(), data.Train, data.Test, 0);
        Assert.Throws<ArgumentException>(() => trainer.Evaluate(Some.Model(), Ct));
        Assert.Throws<ArgumentException>(
            () => new LocalTrainer(settings.ToModelConfig(inputs: 10), data.Train, data.Test, 0));
        Assert.Throws<ArgumentException>(() => ModelFactory.Create(Some.Config with { Kind = "forest" }));
    }
}
