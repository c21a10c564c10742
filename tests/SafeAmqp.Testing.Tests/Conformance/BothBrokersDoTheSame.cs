namespace SafeAmqp.Testing.Tests.Conformance;

public sealed class BothBrokersDoTheSame(BrokerPairs brokers)
{
    /// <summary>
    /// Of the cases that have the same answers in all versions, one in so many is played against the older as well.
    /// </summary>
    private const int Sample = 8;

    private static readonly Dictionary<string, Case> All = new IEnumerable<Case>[]
    {
        DeclareCases.All, ArgumentCases.All, RoutingCases.All, PublishCases.All, ConsumeCases.All, SettleCases.All,
        SharedPrefetchCases.All, QueueCases.All, QuorumCases.All.Select(c => c with { TellsVersions = true }),
        DeadLetterCases.All.Select(c => c with { TellsVersions = true }),
        ReplyCases.All, ConnectionCases.All, WireCases.All,
        FieldCases.All.Select(c => c with { TellsVersions = true }),
        StreamCases.All.Select(c => c with { TellsVersions = true }),
    }.SelectMany(cases => cases).ToDictionary(c => c.Name);

    /// <summary>
    /// The newest version has all cases; the oldest those that tell it from the newest, and a sample of the others.
    /// </summary>
    public static TheoryData<string, RabbitMqVersion> Names => new(All.Keys
        .Select(name => (name, RabbitMqVersion.RabbitMq40))
        .Concat(All.Values.Where((c, i) => c.TellsVersions || i % Sample == 0)
            .Select(c => (c.Name, RabbitMqVersion.RabbitMq310))));

    [Theory]
    [MemberData(nameof(Names))]
    public async Task In(string name, RabbitMqVersion version)
    {
        BrokerPair pair = brokers.Of(version);
        IReadOnlyList<string> expected = await PlayAsync(name, pair.RabbitMq);
        IReadOnlyList<string> observed = await PlayAsync(name, pair.Embedded.Uri);
        Assert.NotEmpty(expected);
        Assert.True(
            expected.SequenceEqual(observed),
            $"RabbitMQ:\n{string.Join('\n', expected)}\nEmbedded:\n{string.Join('\n', observed)}");
    }

    [Fact]
    public void There_are_enough_cases() => Assert.True(All.Count >= 400, $"{All.Count} cases");

    private static async Task<IReadOnlyList<string>> PlayAsync(string name, Uri uri)
    {
        await using var stage = new Stage(uri);
        await stage.OpenAsync();
        await All[name].Play(stage);
        return stage.Notes;
    }
}
