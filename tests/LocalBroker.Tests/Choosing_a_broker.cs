namespace LocalBroker.Tests;

/// <summary>What the README's commands run on.</summary>
public sealed class Choosing_a_broker : IDisposable
{
    private static readonly string[] Names =
        [ChosenBroker.Variable, "CI", PrivateRabbitMqNodeOptions.RootVariable, .. RabbitMqBroker.Variables];

    private readonly Dictionary<string, string?> _before = Names.ToDictionary(
        name => name, Environment.GetEnvironmentVariable);

    public Choosing_a_broker()
    {
        foreach (string name in Names) Environment.SetEnvironmentVariable(name, null);
    }

    public void Dispose()
    {
        foreach (var (name, value) in _before) Environment.SetEnvironmentVariable(name, value);
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task When_none_is_named_the_embedded_one_is_started_and_works()
    {
        await using var broker = await ChosenBroker.FindOrStartAsync(Stop);

        Assert.NotNull(broker.Embedded);
        Assert.True(broker.IsOwned);
        Assert.Contains("embedded", broker.Description, StringComparison.Ordinal);
        Assert.Null((await AmqpHandshake.AskAsync(broker.Uri, logIn: true, TimeSpan.FromSeconds(10), Stop)).Failure);
    }

    [Theory]
    [InlineData("SAFEAMQP_TEST_URI")]
    [InlineData("RABBITMQ_URL")]
    public async Task One_that_is_named_is_never_replaced_by_the_embedded_one(string variable)
    {
        Environment.SetEnvironmentVariable(variable, "amqp://127.0.0.1:1/");

        Assert.True(ChosenBroker.IsRabbitMq);
        var error = await Assert.ThrowsAsync<BrokerUnavailableException>(() => ChosenBroker.FindOrStartAsync(Stop));
        Assert.Equal(variable, error.Variable);
    }

    [Theory]
    [InlineData("rabbitmq", null, true)]
    [InlineData("embedded", "true", false)]
    [InlineData(null, "true", true)]
    [InlineData(null, null, false)]
    public void CI_is_on_RabbitMQ_unless_it_says_otherwise(string? chosen, string? ci, bool expected)
    {
        Environment.SetEnvironmentVariable(ChosenBroker.Variable, chosen);
        Environment.SetEnvironmentVariable("CI", ci);

        Assert.Equal(expected, ChosenBroker.IsRabbitMq);
    }

    [Fact]
    public void Another_word_is_an_error_that_names_the_variable()
    {
        Environment.SetEnvironmentVariable(ChosenBroker.Variable, "kafka");

        var error = Assert.Throws<BrokerUnavailableException>(() => ChosenBroker.IsRabbitMq);
        Assert.Equal(ChosenBroker.Variable, error.Variable);
    }
}
