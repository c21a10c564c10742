using System.Net;
using System.Net.Sockets;
using FederatedLearning.Grpc.Wire;
using FederatedLearning.Messages;
using FederatedLearning.Mqtt;
using FederatedLearning.Protocol;
using FederatedLearning.Protocols.Tests.Support;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;
using MQTTnet;
using MQTTnet.Formatter;
using MQTTnet.Protocol;

namespace FederatedLearning.Protocols.Tests;

/// <summary>
/// What is no message, and clients that do not behave: reported or dropped, counted, and no other client is harmed.
/// </summary>
public sealed class BadInputTests : IAsyncLifetime
{
    private static CancellationToken End => TestContext.Current.CancellationToken;

    private readonly int _mqttPort = Speaks.FreePort();
    private readonly int _grpcPort = Speaks.FreePort();
    private Session _training = null!;

    public async ValueTask InitializeAsync() => _training = await Session.StartAsync(
        loggers => [Speaks.Mqtt.Handler(_mqttPort, loggers), Speaks.Grpc.Handler(_grpcPort, loggers)], rounds: 2,
        minClients: 2);

    public ValueTask DisposeAsync() => _training.DisposeAsync();

    [Theory]
    [InlineData("mqtt")]
    [InlineData("grpc")]
    public async Task Bytes_that_are_no_protocol_and_half_messages_do_no_harm(string protocol)
    {
        int port = protocol == "mqtt" ? _mqttPort : _grpcPort;
        var random = new Random(1);
        for (int i = 0; i < 20; i++)
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, port, TestContext.Current.CancellationToken);
            byte[] rubbish = new byte[random.Next(1, 4000)];
            random.NextBytes(rubbish);
            // In MQTT the beginning of a packet of 256 MiB that never comes, in HTTP/2 the preface and then rubbish.
            if (i % 2 == 0)
                rubbish = protocol == "mqtt" ? [0x30, 0xff, 0xff, 0xff, 0x7f, .. rubbish] : [
                    .. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, .. rubbish];
            await client.GetStream().WriteAsync(rubbish, TestContext.Current.CancellationToken);
        }
        await TrainsAsync();
    }

    [Fact]
    public async Task On_MQTT_no_client_speaks_for_another_or_for_the_server_or_hears_what_others_send()
    {
        await RegisteredAsync("1");
        using var rogue = await MqttAsync("rogue");
        foreach (string topic in new[]
        {
            "fl/client/1/update",
            "fl/client/1/metrics",
            "fl/client/1/left",
            "fl/global_model",
            "fl/start_training/1",
            "elsewhere",
            "fl/client/../update"
        })
        {
            var result = await rogue.PublishStringAsync(
                topic, "{}", MqttQualityOfServiceLevel.AtLeastOnce, cancellationToken: End);
            Assert.Equal(MqttClientPublishReasonCode.NotAuthorized, result.ReasonCode);
        }
        foreach (string filter in new[]
        {
            "#",
            "fl/#",
            "fl/+",
            "fl/client/+/update",
            "fl/client_register",
            "+/client/1/update"
        })
        {
            var result = await rogue.SubscribeAsync(
                new MqttClientSubscribeOptionsBuilder().WithTopicFilter(filter).Build(), End);
            Assert.Equal(MqttClientSubscribeResultCode.NotAuthorized, result.Items.Single().ResultCode);
        }
        Assert.Equal(7, _training.Now.Counts.Refused);
        Assert.Single(_training.Now.Clients); // client 1 has not left
        await TrainsAsync();
    }

    [Fact]
    public async Task On_MQTT_no_client_can_pretend_to_be_the_server()
    {
        using var rogue = new MqttClientFactory().CreateMqttClient();
        var result = await rogue.ConnectAsync(Options("fl-server").Build(), TestContext.Current.CancellationToken);
        Assert.Equal(MqttClientConnectResultCode.ClientIdentifierNotValid, result.ResultCode);
    }

    [Fact]
    public async Task On_MQTT_what_is_no_message_is_refused_in_words_to_its_client_and_one_too_large_is_counted()
    {
        using var peer = await MqttAsync("peer");
        var told = new TaskCompletionSource<OutgoingMessage?>();
        peer.ApplicationMessageReceivedAsync += message =>
        {
            told.TrySetResult(ServerJson.Read(message.ApplicationMessage.Payload.FirstSpan));
            return Task.CompletedTask;
        };
        await peer.SubscribeAsync("fl/error/8", cancellationToken: End);
        await peer.PublishStringAsync(
            "fl/client_register", """{"client_id": 8}""",
            MqttQualityOfServiceLevel.AtLeastOnce, cancellationToken: End);
        await peer.PublishStringAsync(
            "fl/client/8/update", "no JSON", MqttQualityOfServiceLevel.AtLeastOnce, cancellationToken: End);
        var error = Assert.IsType<ErrorReport>(await told.Task.WaitAsync(TimeSpan.FromSeconds(30), End));
        Assert.Contains("not", error.Reason, StringComparison.Ordinal);
        await peer.PublishBinaryAsync(
            "fl/client/8/update", new byte[MessageLimit.Bytes + 1],
            MqttQualityOfServiceLevel.AtLeastOnce, cancellationToken: End);
        Assert.Equal(2, _training.Now.Counts.Refused);
        await peer.PublishStringAsync(
            "fl/client/8/left", "", MqttQualityOfServiceLevel.AtLeastOnce, cancellationToken: End);
        await TrainsAsync();
    }

    [Fact]
    public async Task On_MQTT_a_client_that_does_not_read_is_dropped_before_much_waits_for_it()
    {
        // CONNECT as "deaf" with MQTT 3.1.1, and SUBSCRIBE to fl/global_model with QoS 1; nothing is read from then on.
        byte[] connect = [0x10, 16, 0, 4, .. "MQTT"u8, 4, 2, 0, 0, 0, 4, .. "deaf"u8];
        byte[] subscribe = [0x82, 20, 0, 1, 0, 15, .. "fl/global_model"u8, 1];
        byte[] acknowledged = new byte[4 + 5];
        using var loggers = new LoggerFactory();
        var lines = new Lines();
        loggers.AddProvider(lines);
        int port = Speaks.FreePort();
        await using var broker = new EmbeddedBroker(
            new MqttSettings { Port = port }, new MqttTopics("fl"), loggers.CreateLogger("broker"));
        await broker.StartAsync(TestContext.Current.CancellationToken);
        using var deaf = new TcpClient { ReceiveBufferSize = 4096 };
        await deaf.ConnectAsync(IPAddress.Loopback, port, TestContext.Current.CancellationToken);
        await deaf.GetStream().WriteAsync(connect, TestContext.Current.CancellationToken);
        await deaf.GetStream().WriteAsync(subscribe, TestContext.Current.CancellationToken);
        await deaf.GetStream().ReadExactlyAsync(acknowledged, TestContext.Current.CancellationToken);
        byte[] model = new byte[MessageLimit.Bytes / 2];
        for (int i = 0; i < 6; i++)
            await broker.PublishAsync("fl/global_model", model, TestContext.Current.CancellationToken);
        await Until.TrueAsync(
            () => Task.FromResult(
                lines.All.Any(line => line.StartsWith("[MQTT] deaf does not read: dropped", StringComparison.Ordinal))),
            "it is dropped");
    }

    [Fact]
    public async Task Over_gRPC_an_unknown_method_and_a_message_that_is_too_large_are_told_and_counted()
    {
        using var channel = Channel();
        var unknown = new Method<byte[], byte[]>(
            MethodType.Unary, "federated_learning.FederatedLearningService", "Dance", Bytes, Bytes);
        await RefusedAsync(
            StatusCode.Unimplemented,
            channel.CreateCallInvoker().AsyncUnaryCall(unknown, null, default, [1]).ResponseAsync);
        var rubbish = new Method<byte[], byte[]>(
            MethodType.Unary, "federated_learning.FederatedLearningService", "SendModelUpdate", Bytes, Bytes);
        await RefusedAsync(
            StatusCode.Unknown,
            channel.CreateCallInvoker().AsyncUnaryCall(rubbish, null, default, [0xff, 0xff, 0xff]).ResponseAsync);
        var client = new FederatedLearningService.FederatedLearningServiceClient(channel);
        var tooLarge = new ModelUpdate
        {
            ClientId = 1,
            Weights = UnsafeByteOperations.UnsafeWrap(new byte[MessageLimit.Bytes + MessageLimit.Overhead])
        };
        var sending = client.SendModelUpdateAsync(tooLarge, cancellationToken: End);
        await RefusedAsync(StatusCode.ResourceExhausted, sending.ResponseAsync);
        await Until.TrueAsync(() => Task.FromResult(_training.Now.Counts.Refused == 3), "three were counted");
        await TrainsAsync();

        static async Task RefusedAsync(StatusCode code, Task call)
            => Assert.Equal(code, (await Assert.ThrowsAnyAsync<RpcException>(() => call)).StatusCode);
    }

    [Fact]
    public async Task Over_gRPC_a_client_that_polls_without_having_registered_or_sends_no_weights_is_told_why()
    {
        using var channel = Channel();
        var client = new FederatedLearningService.FederatedLearningServiceClient(channel);
        var status = await Assert.ThrowsAsync<RpcException>(
            async () => await client.CheckTrainingStatusAsync(new ClientInfo { ClientId = 5 }, cancellationToken: End));
        Assert.Equal(StatusCode.FailedPrecondition, status.StatusCode);
        var name = await Assert.ThrowsAsync<RpcException>(
            async () => await client.RegisterClientAsync(
                new FederatedLearning.Grpc.Wire.ClientRegistration { ClientName = "../etc" }, cancellationToken: End));
        Assert.Equal(StatusCode.InvalidArgument, name.StatusCode);
        Assert.True((await client.RegisterClientAsync(
            new FederatedLearning.Grpc.Wire.ClientRegistration { ClientId = 5 }, cancellationToken: End)).Success);
        var pickle = await client.SendModelUpdateAsync(
            new ModelUpdate
            {
                ClientId = 5,
                Round = 1,
                NumSamples = 1,
                Weights = ByteString.CopyFrom([0x80, 0x04, 0x95, .. new byte[20]])
            },
            cancellationToken: End);
        Assert.False(pickle.Success);
        Assert.Contains("pickle", pickle.Message, StringComparison.Ordinal);
        Assert.Equal(1, _training.Now.Counts.Refused);
    }

    [Fact]
    public async Task Over_gRPC_a_client_that_polls_and_was_rejected_may_register_again()
    {
        using var channel = Channel();
        var client = new FederatedLearningService.FederatedLearningServiceClient(channel);
        var registration = new FederatedLearning.Grpc.Wire.ClientRegistration { ClientId = 5 };
        Assert.True((await client.RegisterClientAsync(registration, cancellationToken: End)).Success);
        await RegisteredAsync("5"); // by another way, which now has the id
        await Until.TrueAsync(async () => (await PollAsync()).Rejected, "the client that polls is told");

        Assert.True((await client.RegisterClientAsync(registration, cancellationToken: End)).Success);

        Assert.False((await PollAsync()).Rejected);

        async Task<TrainingStatus> PollAsync()
            => await client.CheckTrainingStatusAsync(new ClientInfo { ClientId = 5 }, cancellationToken: End);
    }

    [Fact]
    public async Task Over_gRPC_a_stream_speaks_for_the_client_that_registered_over_it_alone()
    {
        await RegisteredAsync("1");
        using var channel = Channel();
        var client = new FederatedLearningService.FederatedLearningServiceClient(channel);
        using var call = client.Connect(cancellationToken: End);
        await call.RequestStream.WriteAsync(Message("metrics", Metrics("1")), End);
        await call.RequestStream.WriteAsync(Message("register", """{"client_id": 9}"""), End);
        await call.RequestStream.WriteAsync(Message("metrics", Metrics("1")), End);
        await call.RequestStream.WriteAsync(Message("dance", "{}"), End);
        Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        await Until.TrueAsync(() => Task.FromResult(_training.Now.Counts.Refused == 3), "three were counted");
        Assert.Equal(0, _training.Now.Counts.Metrics);

        static string Metrics(string client) => $$$"""
            {"client_id": {{{client}}}, "round": 1, "num_samples": 5, "metrics": {"loss": 0, "accuracy": 1}}
            """;
    }

    [Theory]
    [InlineData("mqtt")]
    [InlineData("grpc")]
    public async Task A_client_whose_id_another_has_registered_with_is_told_and_the_other_trains(string protocol)
    {
        var speaks = Speaks.Of(protocol);
        int port = protocol == "mqtt" ? _mqttPort : _grpcPort;
        await using var first = speaks.Link(ClientId.Parse("1"), port, _training.Loggers);
        await first.ConnectAsync(TestContext.Current.CancellationToken);
        await first.SendAsync(
            new Messages.ClientRegistration(ClientId.Parse("1")), TestContext.Current.CancellationToken);
        await _training.UntilAsync(now => now.Counts.Registrations == 1, "the first is registered");
        var run = TrainsAsync(protocol);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (await first.Received.ReadAsync(limit.Token) is not Rejected)
        {
            // The training may begin with it.
        }
        await run;
    }

    [Fact]
    public async Task A_handler_that_fails_for_good_is_reported_and_the_others_train_on()
    {
        await using var second = await Session.StartAsync(
            loggers => [new FailingHandler(), Speaks.Grpc.Handler(Speaks.FreePort(), loggers)],
            rounds: 2,
            minClients: 1);
        var grpc = (FederatedLearning.Grpc.GrpcProtocolHandler)second.Handlers[1];
        second.Join("1", new SteppingLearner(10, 1), Speaks.Grpc.Entry("1", grpc.Port, second.Loggers));
        var end = await second.CompleteAsync();
        Assert.Equal("it cannot go on", end.Handlers[0].Failure);
        Assert.Null(end.Handlers[1].Failure);
    }

    // Two clients train to the end: whatever happened did no harm.
    private async Task TrainsAsync(string? protocolOfOne = null)
    {
        bool isMqtt = protocolOfOne != "grpc";
        _training.Join("1", new SteppingLearner(10, 1),
            (isMqtt ? Speaks.Mqtt : Speaks.Grpc).Entry("1", isMqtt ? _mqttPort : _grpcPort, _training.Loggers));
        _training.Join("2", new SteppingLearner(20, 2), Speaks.Grpc.Entry("2", _grpcPort, _training.Loggers));
        var end = await _training.CompleteAsync();
        Assert.All(end.Rounds, round => Assert.Equal((2, 2), (round.Updates, round.Evaluations)));
    }

    private async Task RegisteredAsync(string id)
    {
        var client = await MqttAsync($"fl-client-{id}");
        await client.PublishStringAsync(
            "fl/client_register", $$"""{"client_id": {{id}}}""",
            MqttQualityOfServiceLevel.AtLeastOnce, cancellationToken: End);
        await _training.UntilAsync(now => now.Clients.Any(one => one.Id == id), $"client {id} is registered");
    }

    private async Task<IMqttClient> MqttAsync(string name)
    {
        var client = new MqttClientFactory().CreateMqttClient();
        await client.ConnectAsync(MqttSettings.Build(Options(name)), TestContext.Current.CancellationToken);
        return client;
    }

    private MqttClientOptionsBuilder Options(string name) => new MqttClientOptionsBuilder()
        .WithTcpServer("127.0.0.1", _mqttPort).WithClientId(name).WithProtocolVersion(MqttProtocolVersion.V500)
        .WithKeepAlivePeriod(TimeSpan.FromSeconds(600)).WithTimeout(TimeSpan.FromSeconds(60));

    private GrpcChannel Channel() => GrpcChannel.ForAddress(
        $"http://127.0.0.1:{_grpcPort}",
        new GrpcChannelOptions { MaxSendMessageSize = null, MaxReceiveMessageSize = null });

    private static FederatedLearning.Grpc.Wire.ClientMessage Message(string type, string json)
        => new() { MessageType = type, Json = ByteString.CopyFromUtf8(json) };

    private static readonly Marshaller<byte[]> Bytes = Marshallers.Create<byte[]>(bytes => bytes, bytes => bytes);

    private sealed class FailingHandler : IProtocolHandler
    {
        public string Name => "failing";

        public Task StartAsync(HandlerContext context, CancellationToken cancellationToken)
            => context.Federation.HandlerFailedAsync(new IOException("it cannot go on"), cancellationToken).AsTask();

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public ValueTask DisposeAsync() => default;
    }
}
