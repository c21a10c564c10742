using System.Globalization;
using System.Threading.Channels;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using FederatedLearning.Status;

namespace FederatedLearning.TestSupport;

/// <summary>In the core's place: notes what a handler says, in words.</summary>
internal sealed class RecordingFederation : IFederation
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly Channel<string> _said = Channel.CreateUnbounded<string>();

    public FederationSnapshot Snapshot => throw new NotSupportedException();

    /// <summary>The next thing said.</summary>
    public async Task<string> NextAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        return await _said.Reader.ReadAsync(limit.Token);
    }

    public ValueTask<MessageVerdict> ClientRegisteredAsync(
        ClientRegistration registration, CancellationToken cancellationToken = default)
        => Note($"registered {registration.Client}");

    public ValueTask<MessageVerdict> UpdateReceivedAsync(
        ClientUpdate update, CancellationToken cancellationToken = default)
        => Note($"update of {update.Client}, round {update.Round}, {update.NumSamples} "
            + $"samples, {update.Weights.Values.Length} values");

    public ValueTask<MessageVerdict> MetricsReceivedAsync(
        ClientMetrics metrics, CancellationToken cancellationToken = default)
        => Note(string.Create(CultureInfo.InvariantCulture, $"metrics of {metrics.Client}, round {metrics.Round}, "
            + $"loss {metrics.Metrics.Loss}, accuracy {metrics.Metrics.Accuracy}"));

    public async ValueTask MessageRefusedAsync(
        ClientId? client, string reason, CancellationToken cancellationToken = default)
        => await Note($"refused {client?.Value ?? "unknown"}: {reason}");

    public async ValueTask ClientLeftAsync(
        ClientId client, string reason, CancellationToken cancellationToken = default)
        => await Note($"left {client}: {reason}");

    public async ValueTask HandlerFailedAsync(Exception error, CancellationToken cancellationToken = default)
        => await Note($"failed: {error.Message}");

    private ValueTask<MessageVerdict> Note(string what)
    {
        _said.Writer.TryWrite(what);
        return ValueTask.FromResult(MessageVerdict.Accepted);
    }
}
