namespace SafeAmqp.Analyzers.Tests;

public sealed class DroppedResultTests
{
    [Theory]
    [InlineData("""topology.Bind("e", "k").ToQueue("q");""", """topology.Bind("e", "k").ToQueue("q")""")]
    [InlineData("""topology.Bind("e", "k");""", """topology.Bind("e", "k")""")]
    [InlineData("""_topology.Queue("q");""", """_topology.Queue("q")""")]
    [InlineData("""topology.Queue("q").Exchange("e", "topic");""", """topology.Queue("q").Exchange("e", "topic")""")]
    [InlineData("""new AmqpTopology().With(new AmqpQueue { Name = "q" });""",
        """new AmqpTopology().With(new AmqpQueue { Name = "q" })""")]
    [InlineData("""_topology?.Queue("q");""", """.Queue("q")""")]
    [InlineData("""this?._topology?.Queue("q");""", """.Queue("q")""")]
    [InlineData("""Action<AmqpTopology> configure = t => t.QuorumQueue("q"); configure(topology);""",
        """t.QuorumQueue("q")""")]
    public async Task A_topology_that_is_made_and_dropped_is_told(string statements, string told)
        => Assert.Equal([$"SAFEAMQP001 {told}"], await Snippet.DiagnoseAsync(Snippet.InMethod(statements)));

    [Theory]
    [InlineData("""topology = topology.Bind("e").ToQueue("q");""")]
    [InlineData("""var from = topology.Bind("e"); topology = from.ToQueue("q");""")]
    [InlineData("""var two = topology.Queue("q"); await client.DeclareAsync(two);""")]
    [InlineData("""await client.DeclareAsync(new AmqpTopology().Queue("q").Queue("r"));""")]
    [InlineData("""_ = topology.Queue("q");""")]
    [InlineData("""_ = (AmqpTopology)(this?._topology?.Queue("q"))!;""")]
    [InlineData("""Func<AmqpTopology, AmqpTopology> configure = t => t.Queue("q"); configure(topology);""")]
    [InlineData("""foreach (string name in new[] { "a" }) _topology = _topology.Queue(name);""")]
    [InlineData("""topology.ToString();""")]
    public async Task A_topology_that_is_used_is_not(string statements)
        => Assert.Empty(await Snippet.DiagnoseAsync(Snippet.InMethod(statements)));

    [Theory]
    [InlineData("client.PublishAsync(message);", "client.PublishAsync(message)")]
    [InlineData("""client.PublishAsync("e", "k", new byte[1]);""", """client.PublishAsync("e", "k", new byte[1])""")]
    [InlineData("client?.PublishAsync(message, stop);", ".PublishAsync(message, stop)")]
    [InlineData("""client?.Admin?.PurgeAsync("q");""", """.PurgeAsync("q")""")]
    [InlineData("client.PublishAsync(message).ConfigureAwait(false);", "client.PublishAsync(message)")]
    [InlineData("((AmqpClient)client!).PublishAsync(message).AsTask();", "((AmqpClient)client!).PublishAsync(message)")]
    [InlineData("client?.DeclareAsync(topology).ConfigureAwait(false);", ".DeclareAsync(topology)")]
    [InlineData("client.CallAsync(message);", "client.CallAsync(message)")]
    [InlineData("client.DeclareAsync(topology, stop);", "client.DeclareAsync(topology, stop)")]
    [InlineData("Action later = () => client.PostAsync(message); later();", "client.PostAsync(message)")]
    [InlineData("if (stop.CanBeCanceled) client.PublishAllAsync([message]);", "client.PublishAllAsync([message])")]
    public async Task An_operation_that_is_not_awaited_is_told(string statements, string told)
        => Assert.Contains($"SAFEAMQP002 {told}", await Snippet.DiagnoseAsync(Snippet.InMethod(statements)));

    [Theory]
    [InlineData("await client.PublishAsync(message);")]
    [InlineData("await client.PublishAsync(message).ConfigureAwait(false);")]
    [InlineData("var sending = client.PublishAsync(message); await sending;")]
    [InlineData("_ = client.PublishAsync(message).AsTask();")]
    [InlineData("await Task.WhenAll(client.PublishAsync(message).AsTask(), client.PostAsync(message).AsTask());")]
    [InlineData("client.PublishAsync(message).AsTask().Wait();")]
    [InlineData("client.PublishAsync(message).ConfigureAwait(false).GetAwaiter().GetResult();")]
    [InlineData("client.DeclareAsync(topology).ContinueWith(ended => Console.WriteLine(ended.Exception));")]
    [InlineData("_ = client.PublishAsync(message);")]
    [InlineData("_ = client.PublishAsync(message).ConfigureAwait(false);")]
    [InlineData("""_ = (Task)(client?.Admin?.PurgeAsync("q"))!;""")]
    [InlineData("Func<ValueTask> later = () => client.PublishAsync(message); await later();")]
    public async Task An_operation_whose_outcome_is_taken_is_not(string statements)
        => Assert.Empty(await Snippet.DiagnoseAsync(Snippet.InMethod(statements)));

    [Theory]
    [InlineData("""topology.Bind("e").ToQueue("q");""", """topology = topology.Bind("e").ToQueue("q");""")]
    [InlineData("""topology.Bind("e");""", null)]
    [InlineData("""_topology.Queue("q").Queue("r");""", """_topology = _topology.Queue("q").Queue("r");""")]
    [InlineData("""new AmqpTopology().Queue("q");""", null)]
    [InlineData("""Made.Topology().Queue("q");""", null)]
    [InlineData("""Made.Fixed.Queue("q");""", null)]
    [InlineData("""foreach (var one in new[] { topology }) one.Queue("q");""", null)]
    [InlineData("client.PublishAsync(message);", "await client.PublishAsync(message);")]
    [InlineData("void Local() { client.PublishAsync(message); } Local();", null)]
    [InlineData(
        "Func<Task> later = async () => { await Task.Yield(); client.PostAsync(message); }; await later();",
        "Func<Task> later = async () => { await Task.Yield(); await client.PostAsync(message); }; await later();")]
    public async Task A_fix_is_offered_where_it_is_obvious(string statements, string? mended)
        => Assert.Equal(mended is null ? null : Snippet.InMethod(mended),
            await Snippet.FixAsync(Snippet.InMethod(statements)));
}
