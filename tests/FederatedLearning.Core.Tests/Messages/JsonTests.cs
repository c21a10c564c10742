using FederatedLearning.Messages;
using FederatedLearning.Model;

namespace FederatedLearning.Tests.Messages;

public sealed class JsonTests
{
    [Fact]
    public void Every_message_of_the_server_has_the_fields_of_the_protocol_and_comes_back()
    {
        Assert.Equal(
            """{"message_type":"training_config","batch_size":32,"local_epochs":2}""", Text(new TrainingConfig(32, 2)));
        Assert.Equal("""{"message_type":"start_training","round":3}""", Text(new StartTraining(3)));
        Assert.Equal(
            """{"message_type":"start_evaluation","client_id":2,"round":3}""",
            Text(new StartEvaluation(3) { Recipient = Some.Id(2) }));
        Assert.Equal(
            """{"message_type":"training_complete","round":9,"reason":"converged"}""",
            Text(new TrainingComplete(9, "converged")));
        Assert.Equal(
            """{"message_type":"rejected","client_id":"tv-1","reason":"full"}""",
            Text(new Rejected("full") { Recipient = ClientId.Parse("tv-1") }));
        Assert.Equal(
            """{"message_type":"error","client_id":1,"round":4,"reason":"why"}""",
            Text(new ErrorReport("why", 4) { Recipient = Some.Id(1) }));
        OutgoingMessage[] all =
        [
            new TrainingConfig(32, 2), new StartTraining(3), new StartEvaluation(3) { Recipient = Some.Id(2) },
            new TrainingComplete(9, "converged"),
            new Rejected("full") { Recipient = Some.Id(5) }, new ErrorReport("why", 4) { Recipient = Some.Id(1) },
        ];
        foreach (var message in all)
        {
            Assert.Equal(message, ServerJson.Read(message.ToJson().Span));
            Assert.Equal(message, ServerJson.Read(ServerJson.Write(message, "type"), "type"));
        }
    }

    [Fact]
    public void The_global_model_carries_weights_and_on_demand_its_configuration()
    {
        var config = new ModelConfig("mlp", 4, [3, 2], 2, 0.25, -9) { LearningRateDecay = 0.5 };
        var read = Assert.IsType<GlobalModel>(
            ServerJson.Read(new GlobalModel(0, Some.Model(1, 2, 3), config).ToJson().Span));
        Assert.Equal([1, 2, 3], read.Weights.Values.ToArray());
        Assert.Equal(config with { Hidden = read.ModelConfig!.Hidden }, read.ModelConfig);
        Assert.Equal(config.Hidden, read.ModelConfig.Hidden);
        Assert.Null(
            Assert.IsType<GlobalModel>(ServerJson.Read(new GlobalModel(1, Some.Model()).ToJson().Span)).ModelConfig);
    }

    [Fact]
    public void What_is_encoded_once_is_shared_and_a_copy_for_another_recipient_is_encoded_anew()
    {
        var message = new StartTraining(1);
        Assert.True(message.ToJson().Equals(message.ToJson()));
        Assert.Contains("client_id", Text(message with { Recipient = Some.Id(1) }), StringComparison.Ordinal);
        Assert.Equal(new StartTraining(1), message);
    }

    [Fact]
    public void A_type_that_is_not_known_is_no_error() => Assert.Null(ServerJson.Read("""{"message_type":"news"}"""u8));

    [Fact]
    public void Messages_of_clients_come_back()
    {
        Assert.Equal(
            Some.Id(2), ClientJson.ReadRegistration(ClientJson.Write(new ClientRegistration(Some.Id(2)))).Client);
        var update = ClientJson.ReadUpdate(
            ClientJson.Write(Some.Update(3, 4, 5, 6) with { Metrics = new ReportedMetrics(0.5, 0.25) }));
        Assert.Equal(
            (Some.Id(3), 4, 6, new ReportedMetrics(0.5, 0.25)),
            (update.Client, update.Round, update.NumSamples, update.Metrics));
        Assert.Equal([5, 5, 5], update.Weights.Values.ToArray());
        var metrics = Some.Metrics(3, 4, 0.5, 0.75, 8, true);
        Assert.Equal(metrics, ClientJson.ReadMetrics(ClientJson.Write(metrics)));
    }

    [Fact]
    public void Fields_come_in_any_order_with_others_between_and_escapes_that_some_writers_make()
    {
        string text = Text(ClientJson.Write(Some.Update(1, 1, -2)));
        string weights = text.Split("\"weights\":\"")[1].Split('"')[0];
        string escaped = weights.Replace("A", "\\u0041", StringComparison.Ordinal)
            .Replace("/", "\\/", StringComparison.Ordinal);
        string json = $$"""
            {"metrics":null,"weights":"{{escaped}}","extra":{"round":[7]},"num_samples":3,"round":2,"client_id":"9"}
            """;
        var update = ClientJson.ReadUpdate(Bytes(json));
        Assert.Equal((Some.Id(9), 2, 3), (update.Client, update.Round, update.NumSamples));
        Assert.Equal(-2, update.Weights.Values[2]);
    }

    [Theory]
    [InlineData("", "not")]
    [InlineData("[]", "not a JSON object")]
    [InlineData("null", "not a JSON object")]
    [InlineData("{\"client_id\":1,", "not JSON")]
    [InlineData("{\"client_id\":1} {}", "not JSON")]
    [InlineData("{\"round\":1}", "client_id is missing")]
    [InlineData("{\"client_id\":1.5}", "client_id must be")]
    [InlineData("{\"client_id\":\"a b\"}", "client_id must be")]
    [InlineData("{\"client_id\":\"../x\"}", "client_id must be")]
    [InlineData("{\"client_id\":[1]}", "client_id must be")]
    [InlineData("{\"client_id\":\"\\ud800\"}", "")]
    [InlineData("{\"client_id\":1,\"round\":\"x\"}", "round must be")]
    [InlineData("{\"client_id\":1,\"num_samples\":0}", "num_samples must be")]
    [InlineData("{\"client_id\":1,\"metrics\":3}", "metrics must be")]
    [InlineData("{\"client_id\":1,\"metrics\":{\"loss\":NaN}}", "not JSON")]
    [InlineData("{\"client_id\":1,\"weights\":[1,2]}", "weights: must be a string")]
    [InlineData("{\"client_id\":1,\"weights\":\"gASVAAAAAAAAAA\"}", "pickle")]
    public void What_is_no_message_is_refused_with_the_reason(string json, string reason)
        => Assert.Contains(
            reason,
            Assert.Throws<MessageRefusedException>(() => ClientJson.ReadRegistration(Bytes(json))).Message,
            StringComparison.Ordinal);

    [Fact]
    public void A_refusal_names_the_client_also_when_its_id_stands_behind_what_is_wrong()
    {
        var error = Assert.Throws<MessageRefusedException>(
            () => ClientJson.ReadUpdate("""{"weights":"x","round":1,"client_id":5}"""u8));
        Assert.Equal(Some.Id(5), error.Client);
        error = Assert.Throws<MessageRefusedException>(
            () => ClientJson.ReadUpdate("""{"client_id":5,"round":1,"weights":"""u8));
        Assert.Equal(Some.Id(5), error.Client);
    }

    [Fact]
    public void Bytes_at_random_and_messages_changed_at_random_are_refused_or_read_but_never_harm()
    {
        var random = new Random(3);
        byte[][] good =
        [
            ClientJson.Write(Some.Update(1, 2)), ClientJson.Write(Some.Metrics(1, 2)),
            ServerJson.Write(new GlobalModel(0, Some.Model(), Some.Config)),
            ServerJson.Write(new TrainingComplete(1, "x")),
        ];
        for (int i = 0; i < 40_000; i++)
        {
            byte[] bytes = (byte[])good[i % good.Length].Clone();
            for (int n = random.Next(1, 5); n > 0; n--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            Tolerate(() => ClientJson.ReadUpdate(bytes));
            Tolerate(() => ClientJson.ReadMetrics(bytes));
            Tolerate(() => ServerJson.Read(bytes));
        }

        static void Tolerate(Action read)
        {
            try
            {
                read();
            }
            catch (MessageRefusedException)
            {
                // what is to happen; any other exception fails the test
            }
        }
    }

    private static string Text(OutgoingMessage message) => Text(message.ToJson().ToArray());

    private static string Text(byte[] json) => System.Text.Encoding.UTF8.GetString(json);

    private static byte[] Bytes(string json) => System.Text.Encoding.UTF8.GetBytes(json);

    [Fact]
    public void A_message_may_say_itself_what_it_is_and_only_its_own_client_may_send_it()
    {
        ClientMessage[] messages = [new ClientRegistration(Some.Id(3)), Some.Update(3, 2), Some.Metrics(3, 2)];
        foreach (var message in messages)
        {
            byte[] json = ClientJson.Write(message, ClientJson.TypeProperty);
            Assert.Equal(ClientJson.KindOf(message), ClientJson.KindOf(ClientJson.Read(json)));
            Assert.Equal(Some.Id(3), ClientJson.Read(json, owner: Some.Id(3)).Client);
            var refused = Assert.Throws<MessageRefusedException>(() => ClientJson.Read(json, owner: Some.Id(4)));
            Assert.Equal(Some.Id(4), refused.Client);
        }
        Assert.Throws<MessageRefusedException>(() => ClientJson.Read("""{"type":"dance","client_id":3}"""u8));
        Assert.Throws<MessageRefusedException>(() => ClientJson.Read("""{"client_id":3}"""u8));
        Assert.Equal(
            Some.Id(5),
            Assert.Throws<MessageRefusedException>(() => ClientJson.Read("no JSON"u8, owner: Some.Id(5))).Client);
    }
}
