using System.Threading.Channels;
using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Protocol;

namespace FederatedLearning.Tests.Server;

/// <summary>
/// A protocol within the process: as a handler must be, it owns its loop, takes from its queue alone, and knows its
/// clients. Every message goes through JSON.
/// </summary>
internal sealed class PeerHandler(string name, IReadOnlyList<PeerClient> clients) : IProtocolHandler
{
    private readonly Dictionary<ClientId, PeerClient> _clients = clients.ToDictionary(client => client.Id);
    private Task _sending = Task.CompletedTask;
    private Task[] _peers = [];

    public string Name => name;

    public IFederation? Federation { get; private set; }

    public Task StartAsync(HandlerContext context, CancellationToken cancellationToken)
    {
        Federation = context.Federation;
        _sending = Task.Run(() => SendAsync(context.Outgoing), CancellationToken.None);
        _peers = [
            .. clients.Select(client => Task.Run(() => client.RunAsync(context.Federation), CancellationToken.None))];
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _sending.WaitAsync(cancellationToken);
        foreach (var client in clients) client.Inbox.Writer.TryComplete();
        await Task.WhenAll(_peers).WaitAsync(cancellationToken);
    }

    public ValueTask DisposeAsync() => default;

    private async Task SendAsync(OutgoingQueue outgoing)
    {
        await foreach (var message in outgoing.TakeAllAsync())
        {
            var json = message.ToJson();
            foreach (var client in message.Recipient is { } one
                ? _clients.Where(pair => pair.Key == one).Select(pair => pair.Value)
                : _clients.Values)
                client.Inbox.Writer.TryWrite(json);
        }
    }
}

/// <summary>A client: registers, trains as its function says, evaluates.</summary>
internal sealed class PeerClient(
    ClientId id,
    Func<ModelWeights, ModelConfig, TrainingConfig, int, ClientUpdate> train,
    Func<ModelWeights, int, ClientMetrics> evaluate)
{
    private GlobalModel? _model;
    private ModelConfig? _config;
    private TrainingConfig? _training;

    public ClientId Id => id;

    public Channel<ReadOnlyMemory<byte>> Inbox { get; } = Channel.CreateUnbounded<ReadOnlyMemory<byte>>();

    public TrainingComplete? Completed { get; private set; }

    public async Task RunAsync(IFederation federation)
    {
        await federation.ClientRegisteredAsync(
            ClientJson.ReadRegistration(ClientJson.Write(new ClientRegistration(id))));
        await foreach (var json in Inbox.Reader.ReadAllAsync())
            await HandleAsync(federation, ServerJson.Read(json.Span)!);
    }

    private async Task HandleAsync(IFederation federation, OutgoingMessage message)
    {
        switch (message)
        {
            case TrainingConfig config:
                _training = config;
                break;
            case GlobalModel model:
                _model = model;
                _config = model.ModelConfig ?? _config;
                break;
            case StartTraining start:
                var update = train(_model!.Weights, _config!, _training!, start.Round);
                await federation.UpdateReceivedAsync(ClientJson.ReadUpdate(ClientJson.Write(update)));
                break;
            case StartEvaluation start:
                await federation.MetricsReceivedAsync(evaluate(_model!.Weights, start.Round));
                break;
            case TrainingComplete complete:
                Completed = complete;
                break;
            default:
                throw new InvalidOperationException($"{message} was not expected");
        }
    }
}
