using FederatedLearning.Messages;
using FederatedLearning.Model;

namespace FederatedLearning.Rounds;

/// <summary>
/// Whether an update's content can be averaged. Pure; runs on the handler's thread, since it looks at every value.
/// </summary>
internal static class UpdateCheck
{
    /// <summary>What is wrong with the update, in words for its client; null when nothing is.</summary>
    public static string? FindProblem(ClientUpdate update, ModelWeights model)
    {
        if (update.NumSamples is < 1 or >= FederatedAverage.SampleLimit)
            return $"num_samples must be from 1 to {FederatedAverage.SampleLimit - 1}";
        if (!update.Weights.HasLayoutOf(model))
            return $"weights: the model is {Describe(model)}, the update {Describe(update.Weights)}";
        if (update.Metrics is { } metrics && FindProblem(metrics) is { } wrong) return wrong;
        return FindValue(update.Weights);
    }

    /// <summary>What is wrong with metrics; null when nothing is.</summary>
    public static string? FindProblem(ReportedMetrics metrics)
    {
        if (!(Math.Abs(metrics.Loss) <= 1e15)) return "metrics: loss must be a finite number"; // NaN fails too
        return metrics.Accuracy is >= 0 and <= 1 ? null : "metrics: accuracy must be a number from 0 to 1";
    }

    private static string? FindValue(ModelWeights weights)
    {
        var values = weights.Values;
        for (int i = 0; i < values.Length; i++)
        {
            // Written so that NaN fails too.
            if (!(MathF.Abs(values[i]) < FederatedAverage.WeightLimit))
                return $"weights: value {i - Before(weights, i, out string? name)} of {name} "
                    + $"is {(float.IsNaN(values[i]) ? "NaN" : "infinite or beyond 2^32")}";
        }
        return null;
    }

    private static long Before(ModelWeights weights, int index, out string name)
    {
        long before = 0L;
        foreach (var tensor in weights.Layout)
        {
            name = tensor.Name;
            if (index < before + tensor.Count) return before;
            before += tensor.Count;
        }
        throw new ArgumentOutOfRangeException(nameof(index));
    }

    // A layout may come from anybody and be long.
    private static string Describe(ModelWeights weights)
    {
        string text = string.Join(' ', weights.Layout.Take(8));
        return text.Length <= 200 ? text : text[..200] + "…";
    }
}
