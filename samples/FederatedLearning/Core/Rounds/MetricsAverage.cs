using FederatedLearning.Messages;

namespace FederatedLearning.Rounds;

/// <summary>
/// The mean of the clients' loss and accuracy, weighted by their samples. Summed by id, so that the order of arrival
/// does not show.
/// </summary>
internal sealed class MetricsAverage
{
    private readonly SortedDictionary<ClientId, ClientMetrics> _reports = new(ClientId.ByText);

    /// <summary>How many clients have reported.</summary>
    public int Count => _reports.Count;

    /// <summary>Takes a client's report.</summary>
    public void Add(ClientMetrics metrics) => _reports.Add(metrics.Client, metrics);

    /// <summary>The means, null when no client has reported.</summary>
    public (double? Loss, double? Accuracy) Average()
    {
        double loss = 0, accuracy = 0, samples = 0;
        foreach (var report in _reports.Values)
        {
            loss += report.Metrics.Loss * report.NumSamples;
            accuracy += report.Metrics.Accuracy * report.NumSamples;
            samples += report.NumSamples;
        }
        return samples == 0 ? (null, null) : (loss / samples, accuracy / samples);
    }

    /// <summary>Forgets all.</summary>
    public void Clear() => _reports.Clear();
}
