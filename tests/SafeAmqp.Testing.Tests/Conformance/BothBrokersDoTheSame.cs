namespace SafeAmqp.Testing.Tests.Conformance;

public sealed class BothBrokersDoTheSame(BothBrokers brokers)
{
    private static readonly Dictionary<string, Case> All = new IEnumerable<Case>[]
    {
        DeclareCases.All, ArgumentCases.All, RoutingCases.All, PublishCases.All, ConsumeCases.All, SettleCases.All, QueueCases.All, DeadLetterCases.All,
        ReplyCases.All, ConnectionCases.All, WireCases.All,
    }.SelectMany(cases => cases).ToDictionary(c => c.Name);

    public static TheoryData<string> Names => [.. All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task In(string name)
    {
        IReadOnlyList<string> expected = await PlayAsync(name, brokers.RabbitMq);
        IReadOnlyList<string> observed = await PlayAsync(name, brokers.Embedded.Uri);
        Assert.NotEmpty(expected);
        Assert.True(expected.SequenceEqual(observed), $"RabbitMQ:\n{string.Join('\n', expected)}\nEmbedded:\n{string.Join('\n', observed)}");
    }

    [Fact]
    public void There_are_enough_cases() => Assert.True(All.Count >= 150, $"{All.Count} cases");

    private static async Task<IReadOnlyList<string>> PlayAsync(string name, Uri uri)
    {
        await using var stage = new Stage(uri);
        await stage.OpenAsync();
        await All[name].Play(stage);
        return stage.Notes;
    }
}
