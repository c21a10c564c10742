namespace FederatedLearning.Training.Data;

/// <summary>
/// Splits data over clients: which one gets which image. Every image goes to one client, every client gets at least
/// one. The same seed splits the same.
/// </summary>
public static class Partition
{
    /// <summary>Evenly: each client gets a random share of the same size (or one more).</summary>
    public static IReadOnlyList<int>[] Even(int count, int clients, int seed)
    {
        Check(count, clients);
        int[] indices = Enumerable.Range(0, count).ToArray();
        SeededRandom.For(seed, 1).Shuffle(indices.AsSpan());
        var shares = new IReadOnlyList<int>[clients];
        for (int i = 0; i < clients; i++)
        {
            int from = (int)((long)count * i / clients);
            shares[i] = indices[from..(int)((long)count * (i + 1) / clients)];
        }
        return shares;
    }

    /// <summary>
    /// Skewed by label: for each label, the clients' shares are drawn from a Dirichlet distribution. Small alpha (0.1):
    /// a client sees few labels; large (100): nearly even.
    /// </summary>
    public static IReadOnlyList<int>[] Dirichlet(ReadOnlySpan<byte> labels, int clients, double alpha, int seed)
    {
        Check(labels.Length, clients);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(alpha);
        var random = SeededRandom.For(seed, 2);
        var shares = new List<int>[clients];
        for (int i = 0; i < clients; i++) shares[i] = [];
        for (int label = 0; label <= byte.MaxValue; label++)
        {
            var indices = IndicesOf(labels, (byte)label);
            if (indices.Count == 0) continue;
            random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(indices));
            double[] weights = Draw(random, clients, alpha);
            int from = 0;
            double sum = 0.0;
            for (int i = 0; i < clients; i++)
            {
                sum += weights[i];
                int to = i == clients - 1 ? indices.Count : Math.Clamp(
                    (int)Math.Round(sum * indices.Count), from, indices.Count);
                shares[i].AddRange(indices[from..to]);
                from = to;
            }
        }
        FeedTheEmpty(shares);
        return shares;
    }

    private static List<int> IndicesOf(ReadOnlySpan<byte> labels, byte label)
    {
        var indices = new List<int>();
        for (int i = 0; i < labels.Length; i++)
        {
            if (labels[i] == label) indices.Add(i);
        }
        return indices;
    }

    private static double[] Draw(SeededRandom random, int clients, double alpha)
    {
        double[] weights = new double[clients];
        for (int i = 0; i < clients; i++) weights[i] = random.NextGamma(alpha);
        double sum = weights.Sum();
        // With a tiny alpha all draws may be zero to the precision of a double: then one client gets all.
        if (sum <= 0) weights[random.NextInt(clients)] = sum = 1;
        return Array.ConvertAll(weights, weight => weight / sum);
    }

    private static void FeedTheEmpty(List<int>[] shares)
    {
        foreach (var share in shares)
        {
            if (share.Count > 0) continue;
            var largest = shares.MaxBy(other => other.Count)!;
            share.Add(largest[^1]);
            largest.RemoveAt(largest.Count - 1);
        }
    }

    private static void Check(int count, int clients)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(clients, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, clients);
    }
}
