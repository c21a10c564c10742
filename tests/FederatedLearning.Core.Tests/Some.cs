using FederatedLearning.Messages;
using FederatedLearning.Model;

namespace FederatedLearning.Tests;

/// <summary>Small models and ids for tests.</summary>
internal static class Some
{
    public static readonly IReadOnlyList<TensorShape> Layout = [new("w", [2]), new("b", [])];

    public static readonly ModelConfig Config = new("softmax", 2, [], 2, 0.5, 7);

    public static ModelWeights Model(float a = 0, float b = 0, float c = 0) => new(Layout, [a, b, c]);

    public static ClientId Id(int number)
        => ClientId.Parse(number.ToString(System.Globalization.CultureInfo.InvariantCulture));

    public static ClientUpdate Update(int client, int round, float value = 1, int samples = 10)
        => new(Id(client), round, Model(value, value, value), samples);

    public static ClientMetrics Metrics(
        int client, int round, double loss = 1, double accuracy = 0.5, int samples = 10, bool converged = false)
        => new(Id(client), round, samples, new ReportedMetrics(loss, accuracy), converged);
}
