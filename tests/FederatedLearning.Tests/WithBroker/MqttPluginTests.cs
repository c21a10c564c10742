using System.Globalization;
using FederatedLearning.Amqp;
using FederatedLearning.Messages;
using FederatedLearning.Mqtt;
using FederatedLearning.Protocol;
using FederatedLearning.Tests.Support;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Tests.WithBroker;

/// <summary>MQTT over RabbitMQ's plugin: of version 3.10 that is MQTT 3.1.1, of 4.0 MQTT 5.</summary>
public sealed class MqttPluginTests(Node node)
{
    [Fact]
    public async Task Clients_over_the_plugin_train_beside_one_over_AMQP_and_one_that_leaves_is_not_waited_for()
    {
        await using var place = await node.NewPlaceAsync();
        // Topics of its own: the plugin knows one virtual host, whatever test is there.
        var mqtt = new MqttSettings
        {
            Host = "127.0.0.1",
            Port = node.MqttPort,
            User = "guest",
            Password = "guest",
            Prefix = $"fl-{Guid.NewGuid():N}",
            SendTimeout = TimeSpan.FromSeconds(60),
        };
        await using var training = await TrainingSession.StartAsync(place, rounds: 5, minClients: 3, values: 500_000,
            ("PROTOCOLS", "amqp,mqtt"), ("MQTT_HOST", mqtt.Host), ("MQTT_USER", "guest"), ("MQTT_PASSWORD", "guest"),
            ("MQTT_PORT", mqtt.Port.ToString(CultureInfo.InvariantCulture)), ("MQTT_TOPIC_PREFIX", mqtt.Prefix));
        using var loggers = new LoggerFactory();
        // The third registers and then leaves, in round 1: what it does not send is not waited for.
        await using var third = new MqttClientLink(ClientId.Parse("3"), mqtt, loggers);
        await ConnectedAsync(training.Lines);
        await third.ConnectAsync(TestContext.Current.CancellationToken);
        await third.SendAsync(new ClientRegistration(ClientId.Parse("3")), TestContext.Current.CancellationToken);
        training.Join("1", ClientWay.Unified, new SteppingLearner(10, 1));
        training.Join(
            ClientId.Parse("2"), [new("mqtt", () => new MqttClientLink(ClientId.Parse("2"), mqtt, loggers))],
            new SteppingLearner(30, 3));
        await training.UntilAsync(now => now.Round == 1 && now.Received == 2, "the third alone is awaited");
        await third.DisposeAsync();

        var end = await training.CompleteAsync();
        Assert.All(end.Rounds, round => Assert.Equal((2, 0), (round.Updates, round.Missed)));
        Assert.Equal(1, end.Counts.Departures);
        Assert.Equal(
            [("1", "amqp"), ("2", "mqtt")],
            end.Clients.Select(client => (client.Id, client.Protocol)).Order());
    }

    [Fact]
    public async Task A_message_of_almost_128_MiB_goes_in_either_direction()
    {
        var mqtt = new MqttSettings
        {
            Host = "127.0.0.1",
            Port = node.Rabbit is not null ? node.MqttPort : 0,
            Prefix = $"fl-{Guid.NewGuid():N}",
            User = "guest",
            Password = "guest",
            SendTimeout = TimeSpan.FromSeconds(120),
        };
        using var loggers = new LoggerFactory();
        var lines = new Lines();
        loggers.AddProvider(lines);
        var federation = new RecordingFederation();
        var outgoing = new OutgoingQueue();
        await using var handler = new MqttProtocolHandler(mqtt, loggers);
        await handler.StartAsync(new HandlerContext(federation, outgoing), TestContext.Current.CancellationToken);
        await ConnectedAsync(lines);
        var client = ClientId.Parse("1");
        await using var link = new MqttClientLink(client, mqtt, loggers);
        await link.ConnectAsync(TestContext.Current.CancellationToken);
        await link.SendAsync(new ClientRegistration(client), TestContext.Current.CancellationToken);
        Assert.Equal("registered 1", await federation.NextAsync());

        int values = (MessageLimit.WeightBytes - 180) / 4;
        var weights = new Model.ModelWeights([new Model.TensorShape("w", [values])], new float[values]);
        await link.SendAsync(new ClientUpdate(client, 1, weights, 7), TestContext.Current.CancellationToken);
        Assert.Equal($"update of 1, round 1, 7 samples, {values} values", await federation.NextAsync());
        outgoing.Post(new GlobalModel(1, weights));
        OutgoingMessage received;
        do
        {
            received = await link.Received.ReadAsync(TestContext.Current.CancellationToken);
        }
        while (received is ServerStarted); // sent to all that were there when the server came
        Assert.Equal(values, Assert.IsType<GlobalModel>(received).Weights.Values.Length);
        outgoing.Complete();
    }

    private static Task ConnectedAsync(Lines lines) => Until.TrueAsync(
        () => Task.FromResult(lines.All.Any(
            line => line.StartsWith("[MQTT] Server started, connected to the broker", StringComparison.Ordinal))),
        "the server is connected to the broker");
}
