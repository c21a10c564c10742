namespace LocalBroker.Tests;

public sealed class Searching_for_a_broker : IClassFixture<NodeFixture>, IDisposable
{
    private readonly NodeFixture _fixture;
    private readonly Dictionary<string, string?> _before = RabbitMqBroker.Variables
        .Append(PrivateRabbitMqNodeOptions.RootVariable).ToDictionary(name => name, Environment.GetEnvironmentVariable);

    public Searching_for_a_broker(NodeFixture fixture)
    {
        NodeFixture.RequireRabbitMq();
        _fixture = fixture;
        foreach (string name in RabbitMqBroker.Variables) Environment.SetEnvironmentVariable(name, null);
    }

    public void Dispose()
    {
        foreach (var (name, value) in _before) Environment.SetEnvironmentVariable(name, value);
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("SAFEAMQP_TEST_URI", "RABBITMQ_URL")]
    [InlineData("RABBITMQ_URL", null)]
    public async Task The_environment_variable_wins(string variable, string? ignored)
    {
        Environment.SetEnvironmentVariable(variable, $"amqp://guest:guest@127.0.0.1:{_fixture.Node.Port}/%2f");
        if (ignored is not null) Environment.SetEnvironmentVariable(ignored, "amqp://127.0.0.1:1/");

        await using var broker = await RabbitMqBroker.FindOrStartAsync(
            new() { LocalhostPort = _fixture.Node.Port }, Stop);

        Assert.Equal($"RabbitMQ {_fixture.Node.Version}, from {variable}", broker.Origin);
        Assert.Equal($"amqp://guest:guest@127.0.0.1:{_fixture.Node.Port}/%2f", broker.Uri.OriginalString);
        Assert.False(broker.IsOwned);
        Assert.False(broker.CanControl);
    }

    [Theory]
    [InlineData("amqp://somebody:secret@127.0.0.1:1/", "amqp://127.0.0.1:1")]
    [InlineData("not a URI", "amqp://user:password@host:5672/")]
    public async Task A_broker_that_was_named_but_does_not_answer_is_an_error_that_names_the_variable(
        string uri, string expected)
    {
        Environment.SetEnvironmentVariable("SAFEAMQP_TEST_URI", uri);

        var error = await Assert.ThrowsAsync<BrokerUnavailableException>(
            () => RabbitMqBroker.FindOrStartAsync(new() { LocalhostPort = _fixture.Node.Port }, Stop));

        Assert.Equal("SAFEAMQP_TEST_URI", error.Variable);
        Assert.Contains("SAFEAMQP_TEST_URI", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_password_is_told_apart_from_no_answer()
    {
        Environment.SetEnvironmentVariable("SAFEAMQP_TEST_URI", $"amqp://guest:wrong@127.0.0.1:{_fixture.Node.Port}/");

        var error = await Assert.ThrowsAsync<BrokerUnavailableException>(
            () => RabbitMqBroker.FindOrStartAsync(null, Stop));

        Assert.Contains("refuses this user and password", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_variable_the_broker_on_localhost_is_taken()
    {
        Environment.SetEnvironmentVariable(PrivateRabbitMqNodeOptions.RootVariable, null);

        await using var broker = await RabbitMqBroker.FindOrStartAsync(
            new() { LocalhostPort = _fixture.Node.Port }, Stop);

        Assert.Equal($"RabbitMQ {_fixture.Node.Version}, on localhost:{_fixture.Node.Port}", broker.Origin);
        Assert.False(broker.IsOwned);
    }

    [Fact]
    public async Task Without_any_broker_a_private_node_is_started_and_leaves_neither_process_nor_folder()
    {
        string folder;
        await using (var broker = await RabbitMqBroker.FindOrStartAsync(new() { LocalhostPort = null }, Stop))
        {
            Assert.True(broker.IsOwned);
            Assert.True(broker.CanControl);
            Assert.Equal($"RabbitMQ {broker.Node!.Version}, private node {broker.Node.Name}", broker.Origin);
            folder = broker.Node.Folder;
            if (OperatingSystem.IsLinux())
                Assert.True(Leftovers.Processes(folder).Count >= 3, "Guard, epmd and node should run.");
        }

        if (OperatingSystem.IsLinux()) Leftovers.AssertNoneNow(folder);
        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public async Task A_named_root_is_not_replaced_by_the_broker_on_localhost()
    {
        Assert.SkipUnless(PrivateRabbitMqNode.IsInstalledIn("/"), "RabbitMQ is not installed on this machine itself.");
        Environment.SetEnvironmentVariable(PrivateRabbitMqNodeOptions.RootVariable, "/");

        await using var broker =
            await RabbitMqBroker.FindOrStartAsync(new() { LocalhostPort = _fixture.Node.Port }, Stop);

        Assert.True(broker.IsOwned);
        Assert.NotEqual(_fixture.Node.Port, broker.Node!.Port);
    }
}
