using SafeAmqp.Chaos.SideBySide;

namespace SafeAmqp.Chaos.Tests;

public sealed class SideBySideTests
{
    /// <summary>
    /// What RabbitMQ.Client does each time. The others depend on the moment: how soon the starved pool grows, which
    /// publish is cancelled where.
    /// </summary>
    private static readonly string[] Certain = ["F2", "F3", "F5", "F7"];

    [Fact]
    [Trait("Runs", "ByHand")] // takes minutes, and needs a machine that does nothing else
    public async Task Where_RabbitMQ_Client_used_directly_fails_SafeAmqp_holds()
    {
        Cluster.Require();
        IReadOnlyList<Row> rows = await SideBySideRun.RunAsync(_ => { });
        string table = SideBySideTable.Draw(rows);
        TestContext.Current.TestOutputHelper?.WriteLine(table);
        Assert.Equal(7, rows.Count);
        Assert.True(rows.All(row => row.Safe.Held), table);
        Assert.True(rows.Where(row => Certain.Contains(row.Name)).All(row => !row.Raw.Held), table);
    }
}
