namespace SafeAmqp.Benchmarks;

internal sealed class SafeAmqpContender : Contender
{
    private static readonly AmqpMessage Message = new() { Exchange = Exchange, RoutingKey = "k", Body = Body, Mandatory = false, Persistent = false };

    private AmqpClient? _client;

    internal override string Name => "SafeAmqp, one client";

    internal override async Task ConnectAsync(Uri broker, int callers)
    {
        _client = await AmqpClient.ConnectAsync(broker.ToString());
        await _client.DeclareAsync(new AmqpTopology().With(new AmqpExchange { Name = Exchange, Type = AmqpExchangeType.Direct, Durable = false }));
    }

    internal override ValueTask PublishAsync(int caller) => _client!.PublishAsync(Message);

    public override ValueTask DisposeAsync() => _client?.DisposeAsync() ?? ValueTask.CompletedTask;
}
