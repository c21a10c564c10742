using FederatedLearning.Messages;
using FederatedLearning.Protocol;

namespace FederatedLearning.Tests.Server;

public sealed class ProtocolTableTests
{
    private static readonly ProtocolEntry<string>[] All =
    [
        new("amqp", () => "amqp"),
        new("mqtt", () => "mqtt"),
        new("quic", () => "quic") { FindMissing = () => "QUIC needs libq: apt-get install libq" },
    ];

    private readonly List<string> _off = [];

    [Fact]
    public void A_server_speaks_all_that_can_run_here_and_says_what_the_others_need()
    {
        Assert.Equal(["amqp", "mqtt"], Server(null));
        Assert.Equal(["QUIC needs libq: apt-get install libq"], _off);
    }

    [Fact]
    public void A_server_speaks_what_it_is_told_to_in_that_order_each_once()
        => Assert.Equal(["mqtt", "amqp"], Server(" MQTT, amqp,mqtt "));

    [Theory]
    [InlineData("amqp,quic", "PROTOCOLS: QUIC needs libq: apt-get install libq")]
    [InlineData("pigeon", "PROTOCOLS must be one or more of amqp, mqtt, quic, with commas between.")]
    [InlineData(" , ", "PROTOCOLS names no protocol.")]
    public void A_server_does_not_start_without_what_it_was_asked_for(string names, string why)
        => Assert.Equal(why, Assert.Throws<InvalidOperationException>(() => Server(names)).Message);

    [Fact]
    public void A_client_tries_those_of_its_list_that_can_run_here()
    {
        Assert.Equal(["amqp"], Client(null));
        Assert.Equal(["mqtt", "amqp"], Client("quic,mqtt,amqp"));
        Assert.Equal(["QUIC needs libq: apt-get install libq"], _off);
        var nothing = Assert.Throws<InvalidOperationException>(() => Client("quic"));
        Assert.Equal("PROTOCOL_SELECTION: QUIC needs libq: apt-get install libq", nothing.Message);
    }

    [Fact]
    public void A_message_of_128_MiB_may_be_sent_and_not_a_byte_more()
    {
        MessageLimit.Check(128 << 20);
        Assert.Throws<MessageRefusedException>(() => MessageLimit.Check((128 << 20) + 1));
    }

    [Fact]
    public void A_way_that_has_ended_takes_a_client_out_unless_it_has_come_back_by_another()
    {
        var ways = new ClientWays<object>();
        var (first, second) = (new object(), new object());
        Assert.Null(ways.Set(Some.Id(1), first));
        Assert.Same(first, ways.Set(Some.Id(1), second));
        Assert.False(ways.Remove(Some.Id(1), first));
        Assert.Same(second, ways.Find(Some.Id(1)));
        Assert.True(ways.Remove(Some.Id(1), second));
        Assert.Empty(ways.RecipientsOf(new StartTraining(1)));
    }

    [Fact]
    public void A_table_that_is_full_takes_no_more_clients_but_those_that_it_has()
    {
        var ways = new ClientWays<object>();
        for (int i = 0; i < ClientWays<object>.Capacity; i++) ways.Set(Some.Id(i), new object());
        Assert.Throws<MessageRefusedException>(() => ways.Set(ClientId.Parse("one-more"), new object()));
        Assert.NotNull(ways.Set(Some.Id(7), new object()));
    }

    private string[] Server(string? names)
        => [.. ProtocolTable.ForServer(All, names, _off.Add).Select(entry => entry.Name)];

    private string[] Client(string? names)
        => [.. ProtocolTable.ForClient(All, names, _off.Add).Select(entry => entry.Name)];
}
