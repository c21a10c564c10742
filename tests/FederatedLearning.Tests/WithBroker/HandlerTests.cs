using System.Text.Json.Nodes;
using FederatedLearning.Amqp;
using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Protocol;
using FederatedLearning.Tests.Support;
using Microsoft.Extensions.Logging;
using SafeAmqp;

namespace FederatedLearning.Tests.WithBroker;

public sealed class HandlerTests(Node node)
{
    private static readonly ModelWeights Weights = new([new TensorShape("w", [2])], [1, -2]);

    [Fact]
    public async Task The_exchanges_queues_and_keys_are_those_that_peers_know()
    {
        await using var place = await node.NewPlaceAsync();
        await using var handler = await Running.StartAsync(place);
        await using var peer = await Peer.ConnectAsync(place);

        // Declared again as a peer declares them: another type or durability would be refused.
        await peer.CheckAsync(new AmqpTopology().Exchange("fl_broadcast", AmqpExchangeType.Fanout)
            .Exchange("fl_client_updates", AmqpExchangeType.Direct)
            .Queue("fl.client.register").Queue("fl.client.update").Queue("fl.client.metrics")
            .Queue("fl_client_register"));
        await peer.SendAsync("fl_client_updates", "client.register", """{"client_id": 3}""");
        Assert.Equal("registered 3", await handler.Federation.NextAsync());
        await peer.SendAsync("fl_client_updates", "client.update",
            """
            {"client_id": 3, "round": 1, "weights": "RkxUVwEAAQAYAAAAAQEBAHcCAAAAAAAAAACAPwAAAMA=", "num_samples": 60,
             "metrics": {"loss": 0.5, "accuracy": 0.9}}
            """);
        Assert.Equal("update of 3, round 1, 60 samples, 2 values", await handler.Federation.NextAsync());
        await peer.SendAsync("fl_client_updates", "client.metrics",
            """{"client_id": 3, "round": 1, "num_samples": 20, "metrics": {"loss": 0.25, "accuracy": 0.75}}""");
        Assert.Equal("metrics of 3, round 1, loss 0.25, accuracy 0.75", await handler.Federation.NextAsync());
    }

    [Fact]
    public async Task A_client_that_registers_on_the_unified_queue_is_served_by_queues_of_its_own()
    {
        await using var place = await node.NewPlaceAsync();
        await using var handler = await Running.StartAsync(place);
        await using var peer = await Peer.ConnectAsync(place);
        await peer.SendAsync("", "fl_client_register", """{"client_id": 2}""");
        Assert.Equal("registered 2", await handler.Federation.NextAsync());

        var broadcasts = await peer.TakeBroadcastsAsync();
        handler.Outgoing.Post(new GlobalModel(1, Weights));
        var message = await (await peer.TakeAsync("client_2_global_model")).NextAsync();
        Assert.Equal("", message.Exchange);
        Assert.True(message.Persistent); // delivery mode 2
        Assert.Equal(
            "RkxUVwEAAQAYAAAAAQEBAHcCAAAAAAAAAACAPwAAAMA=",
            JsonNode.Parse(message.Body.Span)!["weights"]!.GetValue<string>());
        await handler.LineAsync("[AMQP] Sent global_model to client 2 (queue: client_2_global_model)");
        handler.Outgoing.Post(new StartEvaluation(1));
        await (await peer.TakeAsync("client_2_start_evaluation")).NextAsync();
        await handler.LineAsync("[AMQP] Sent start_evaluation to client 2 (queue: client_2_start_evaluation)");

        await peer.SendAsync("fl_client_updates", "client_2_update",
            """
            {"client_id": 2, "round": 1, "weights": "RkxUVwEAAQAYAAAAAQEBAHcCAAAAAAAAAACAPwAAAMA=", "num_samples": 10}
            """);
        Assert.Equal("update of 2, round 1, 10 samples, 2 values", await handler.Federation.NextAsync());
        await peer.SendAsync(
            "fl_client_updates",
            "client_2_metrics",
            """{"client_id": 2, "round": 1, "num_samples": 5, "metrics": {"loss": 1, "accuracy": 0.5}}""");
        Assert.Equal("metrics of 2, round 1, loss 1, accuracy 0.5", await handler.Federation.NextAsync());

        // It was not served by broadcast as well: the first broadcast is one for a client that wants it.
        await peer.SendAsync("fl_client_updates", "client.register", """{"client_id": 9}""");
        Assert.Equal("registered 9", await handler.Federation.NextAsync());
        handler.Outgoing.Post(new StartTraining(7));
        Assert.Equal(7, JsonNode.Parse((await broadcasts.NextAsync()).Body.Span)!["round"]!.GetValue<int>());
    }

    [Fact]
    public async Task A_client_whose_queues_were_deleted_has_them_again_once_it_has_registered_again()
    {
        await using var place = await node.NewPlaceAsync();
        await using var handler = await Running.StartAsync(place);
        await using var peer = await Peer.ConnectAsync(place);
        await peer.SendAsync("", "fl_client_register", """{"client_id": 2}""");
        Assert.Equal("registered 2", await handler.Federation.NextAsync());
        foreach (string queue in (string[])["client_2_global_model", "client_2_updates", "client_2_metrics"])
            await peer.DeleteAsync(queue);

        await peer.SendAsync("", "fl_client_register", """{"client_id": 2}""");
        Assert.Equal("registered 2", await handler.Federation.NextAsync());

        handler.Outgoing.Post(new GlobalModel(1, Weights));
        await (await peer.TakeAsync("client_2_global_model")).NextAsync();
        await peer.SendAsync(
            "fl_client_updates", "client_2_metrics",
            """{"client_id": 2, "round": 1, "num_samples": 5, "metrics": {"loss": 1, "accuracy": 0.5}}""");
        Assert.Equal("metrics of 2, round 1, loss 1, accuracy 0.5", await handler.Federation.NextAsync());
    }

    [Fact]
    public async Task Both_kinds_hear_what_goes_to_all_and_one_alone_hears_what_is_for_it()
    {
        await using var place = await node.NewPlaceAsync();
        await using var handler = await Running.StartAsync(place);
        await using var peer = await Peer.ConnectAsync(place);
        var broadcasts = await peer.TakeBroadcastsAsync();
        await peer.SendAsync("fl_client_updates", "client.register", """{"client_id": 1}""");
        Assert.Equal("registered 1", await handler.Federation.NextAsync());
        await peer.SendAsync("", "fl_client_register", """{"client_id": 2}""");
        Assert.Equal("registered 2", await handler.Federation.NextAsync());
        var ofTwo = await peer.TakeAsync("client_2_start_training");

        handler.Outgoing.Post(new StartTraining(4));
        Assert.Equal("""{"message_type":"start_training","round":4}""", Text(await broadcasts.NextAsync()));
        Assert.Equal("""{"message_type":"start_training","round":4}""", Text(await ofTwo.NextAsync()));

        handler.Outgoing.Post(new StartTraining(5) { Recipient = ClientId.Parse("2") });
        handler.Outgoing.Post(new StartTraining(6) { Recipient = ClientId.Parse("1") });
        Assert.Equal("""{"message_type":"start_training","client_id":2,"round":5}""", Text(await ofTwo.NextAsync()));
        Assert.Equal(
            """{"message_type":"start_training","client_id":1,"round":6}""", Text(await broadcasts.NextAsync()));
    }

    [Fact]
    public async Task A_broadcast_that_reaches_no_client_is_no_error()
    {
        await using var place = await node.NewPlaceAsync();
        await using var handler = await Running.StartAsync(place);
        handler.Outgoing.Post(new TrainingConfig(32, 1));
        await handler.LineAsync("[AMQP] Broadcast training_config (exchange: fl_broadcast)");
        Assert.DoesNotContain(handler.Lines.All, line => line.Contains("did not reach", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("client.update", "no JSON at all", "refused unknown: the message is not")]
    [InlineData(
        "client.update",
        """{"client_id": 3, "round": 1, "weights": "gASVAAAAAAAAAA==", "num_samples": 1}""",
        "refused 3: weights")]
    [InlineData("client.metrics", """{"client_id": 3, "round": 1}""", "refused 3: num_samples is missing")]
    [InlineData("client.register", """{"client_id": "../../etc"}""", "refused unknown: client_id")]
    public async Task What_cannot_be_read_is_refused_in_words_and_the_next_message_is_taken(
        string key, string body, string said)
    {
        await using var place = await node.NewPlaceAsync();
        await using var handler = await Running.StartAsync(place);
        await using var peer = await Peer.ConnectAsync(place);
        await peer.SendAsync("fl_client_updates", key, body);
        Assert.StartsWith(said, await handler.Federation.NextAsync(), StringComparison.Ordinal);
        await peer.SendAsync("fl_client_updates", "client.register", """{"client_id": 3}""");
        Assert.Equal("registered 3", await handler.Federation.NextAsync());
    }

    [Fact]
    public async Task On_the_queue_of_one_client_no_message_speaks_for_another()
    {
        await using var place = await node.NewPlaceAsync();
        await using var handler = await Running.StartAsync(place);
        await using var peer = await Peer.ConnectAsync(place);
        await peer.SendAsync("", "fl_client_register", """{"client_id": 2}""");
        Assert.Equal("registered 2", await handler.Federation.NextAsync());
        await peer.SendAsync(
            "fl_client_updates",
            "client_2_metrics",
            """{"client_id": 1, "round": 1, "num_samples": 5, "metrics": {"loss": 1, "accuracy": 0.5}}""");
        Assert.Equal(
            "refused 2: client_id is 1, but only client 2 may speak here", await handler.Federation.NextAsync());
    }

    [Fact]
    public async Task A_client_whose_queue_is_deleted_has_left()
    {
        await using var place = await node.NewPlaceAsync();
        await using var handler = await Running.StartAsync(place);
        await using var peer = await Peer.ConnectAsync(place);
        await peer.SendAsync("", "fl_client_register", """{"client_id": 2}""");
        Assert.Equal("registered 2", await handler.Federation.NextAsync());
        await place.Rabbit.RabbitMqCtlAsync(
            ["delete_queue", "--vhost", place.Amqp.VirtualHost, "client_2_start_training"],
            TestContext.Current.CancellationToken);
        handler.Outgoing.Post(new StartTraining(1));
        Assert.Equal("left 2: its queue client_2_start_training is gone", await handler.Federation.NextAsync());
    }

    [Fact]
    public async Task The_end_comes_to_a_client_with_queues_of_its_own_behind_the_last_model()
    {
        await using var place = await node.NewPlaceAsync();
        await using var peer = await Peer.ConnectAsync(place);
        await using (var handler = await Running.StartAsync(place))
        {
            await peer.SendAsync("", "fl_client_register", """{"client_id": 2}""");
            Assert.Equal("registered 2", await handler.Federation.NextAsync());
            var model = new ModelWeights([new TensorShape("w", [2 << 20])], new float[2 << 20]);
            handler.Outgoing.Post(new GlobalModel(3, model));
            handler.Outgoing.Post(new TrainingComplete(3, "converged"));
        }
        await (await peer.TakeAsync("client_2_global_model")).NextAsync();
        Assert.Equal(
            """{"message_type":"training_complete","round":3,"reason":"converged"}""",
            Text(await (await peer.TakeAsync("client_2_training_complete")).NextAsync()));
    }

    [Fact]
    public async Task A_handler_says_when_both_connections_are_there_and_ends_with_what_it_has_to_send_sent()
    {
        await using var place = await node.NewPlaceAsync();
        await using var peer = await Peer.ConnectAsync(place);
        var broadcasts = await peer.TakeBroadcastsAsync();
        var handler = await Running.StartAsync(place);
        await using (handler)
        {
            Assert.Equal(["receive", "send"], handler.Handler.Status.Links.Select(link => link.Name).Order());
            handler.Outgoing.Post(new TrainingComplete(3, "converged"));
        }

        Assert.Equal("""{"message_type":"server_started"}""", Text(await broadcasts.NextAsync()));
        Assert.Equal(
            """{"message_type":"training_complete","round":3,"reason":"converged"}""",
            Text(await broadcasts.NextAsync()));
        await handler.LineAsync("[AMQP] Server stopped");
        // The node lists a connection for a moment after its end.
        await Until.TrueAsync(
            async () => !(await place.Rabbit.ListConnectionsAsync(TestContext.Current.CancellationToken))
                .Any(connection => connection.Name.StartsWith("fl-server", StringComparison.Ordinal)),
            "the server's connections are closed");
    }

    private static string Text(AmqpMessage message) => System.Text.Encoding.UTF8.GetString(message.Body.Span);

    /// <summary>A handler that runs, with only the test behind it.</summary>
    private sealed class Running : IAsyncDisposable
    {
        private readonly LoggerFactory _loggers = new();

        private Running(Place place)
        {
            _loggers.AddProvider(Lines);
            Handler = new AmqpProtocolHandler(place.Amqp, _loggers);
        }

        public AmqpProtocolHandler Handler { get; }

        public RecordingFederation Federation { get; } = new();

        public OutgoingQueue Outgoing { get; } = new();

        public Lines Lines { get; } = new();

        public static async Task<Running> StartAsync(Place place)
        {
            var running = new Running(place);
            await running.Handler.StartAsync(
                new HandlerContext(running.Federation, running.Outgoing), TestContext.Current.CancellationToken);
            await running.LineAsync("[AMQP] Server started with separate send/receive connections");
            return running;
        }

        public Task LineAsync(string line) => Lines.ShowAsync(line);

        public async ValueTask DisposeAsync()
        {
            Outgoing.Complete();
            await Handler.StopAsync(TestContext.Current.CancellationToken);
            await Handler.DisposeAsync();
            _loggers.Dispose();
        }
    }
}
