using System.Xml.Linq;
using FederatedLearning.Results;
using FederatedLearning.Status;
using FederatedLearning.Training;

namespace FederatedLearning.Tests;

public sealed class SettingsAndResultsTests
{
    [Fact]
    public void Every_setting_is_read_by_its_name_and_has_its_default_otherwise()
    {
        var values = new Dictionary<string, string>
        {
            ["NUM_ROUNDS"] = "7",
            ["MIN_CLIENTS"] = "3",
            ["MAX_CLIENTS"] = "9",
            ["CONVERGENCE_THRESHOLD"] = "0.5",
            ["CONVERGENCE_PATIENCE"] = "4",
            ["MIN_ROUNDS"] = "0",
            ["BATCH_SIZE"] = " 64 ",
            ["LOCAL_EPOCHS"] = "2",
            ["ROUND_DEADLINE_SECONDS"] = "1.5",
            ["EVALUATION_DEADLINE_SECONDS"] = "2",
            ["MAX_EMPTY_DEADLINES"] = "6",
        };
        var expected = new FederationSettings
        {
            MaxRounds = 7,
            MinClients = 3,
            MaxClients = 9,
            ConvergenceThreshold = 0.5,
            ConvergencePatience = 4,
            MinRounds = 0,
            BatchSize = 64,
            LocalEpochs = 2,
            RoundDeadline = TimeSpan.FromSeconds(1.5),
            EvaluationDeadline = TimeSpan.FromSeconds(2),
            MaxEmptyDeadlines = 6,
        };
        Assert.Equal(expected, FederationSettings.From(values.GetValueOrDefault));
        Assert.Equal(new FederationSettings(), FederationSettings.From(_ => " "));
        foreach (string name in values.Keys)
            Assert.Contains(name, Assert.Throws<InvalidOperationException>(() =>
                FederationSettings.From(asked => asked == name ? "x" : null)).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(
            () => FederationSettings.From(asked => asked == "MAX_CLIENTS" ? "1" : null));
    }

    [Fact]
    public void Every_setting_of_the_learning_is_read_by_its_name()
    {
        var values = new Dictionary<string, string>
        {
            ["MODEL"] = "Softmax",
            ["HIDDEN_UNITS"] = "3, 4",
            ["LEARNING_RATE"] = "0.5",
            ["LEARNING_RATE_DECAY"] = "0.9",
            ["SEED"] = "-3",
            ["TRAIN_SAMPLES"] = "50",
            ["TEST_SAMPLES"] = "20",
            ["DATA_SHARES"] = "2",
            ["DIRICHLET_ALPHA"] = "0.3",
            ["TRAIN_IMAGES"] = "a",
            ["TRAIN_LABELS"] = "b",
            ["TEST_IMAGES"] = "c",
            ["TEST_LABELS"] = "d",
        };
        var read = LearningSettings.From(values.GetValueOrDefault);
        Assert.Equal([3, 4], read.Hidden);
        Assert.Equal(new LearningSettings
        {
            Model = "softmax",
            Hidden = read.Hidden,
            LearningRate = 0.5,
            LearningRateDecay = 0.9,
            Seed = -3,
            TrainSamples = 50,
            TestSamples = 20,
            Shares = 2,
            DirichletAlpha = 0.3,
            Files = new IdxFiles("a", "b", "c", "d"),
        }, read);
        Assert.Throws<InvalidOperationException>(
            () => LearningSettings.From(name => name == "TRAIN_IMAGES" ? "a" : null));
        foreach (string? name in values.Keys.Where(name => !name.EndsWith("LABELS", StringComparison.Ordinal)
            && !name.EndsWith("IMAGES", StringComparison.Ordinal)))
            Assert.Contains(name, Assert.Throws<InvalidOperationException>(() =>
                LearningSettings.From(asked => asked == name ? "x" : null)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rounds_are_drawn_with_a_gap_where_no_client_evaluated()
    {
        var svg = XDocument.Parse(ResultPlot.ToSvg(
            [Round(1, 2.5, 0.4), Round(2, 1, 0.8), Round(3, null, null), Round(4, 0.5, 0.97)],
            [
                new HandlerSnapshot("amqp", 2, 0, null, new TrafficCounts(9, 1_500_000, 5, 2_250_000, 1)),
                new HandlerSnapshot("quic", 1, 0, null, new TrafficCounts(3, 0, 4, 0, 0)),
            ])).Root!;
        // Two plots, each in two pieces around the round without evaluation.
        Assert.Equal(4, svg.Descendants().Count(element => element.Name.LocalName == "polyline"));
        Assert.Equal(6, svg.Descendants().Count(element => element.Name.LocalName == "circle"));
        Assert.DoesNotContain("NaN", svg.ToString(), StringComparison.Ordinal);
        string[] texts = [.. svg.Descendants().Select(element => element.Value)];
        Assert.Contains("amqp: 2 clients, 9 messages in (1.5 MB), 5 out (2.3 MB), 1 reconnects", texts);
        Assert.Contains(texts, text => text.StartsWith("quic: 1 clients", StringComparison.Ordinal));
    }

    [Fact]
    public void A_training_without_rounds_has_an_empty_plot()
        => Assert.DoesNotContain("NaN", XDocument.Parse(ResultPlot.ToSvg([], [])).ToString(), StringComparison.Ordinal);

    private static RoundResult Round(int round, double? loss, double? accuracy)
        => new(round, loss, accuracy, 2, 20, 2, 0, TimeSpan.FromSeconds(1));
}
