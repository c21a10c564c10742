using Microsoft.CodeAnalysis;

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
    [InlineData("""var from = topology.Bind("e"); from.ToQueue("q");""", null)]
    [InlineData("""object made = 1; made.Next().Queue("q");""", null)]
    [InlineData("client.PublishAsync(message);", "await client.PublishAsync(message);")]
    [InlineData("client.PublishAsync(message).ConfigureAwait(false);",
        "await client.PublishAsync(message).ConfigureAwait(false);")]
    [InlineData("client?.PublishAsync(message).ConfigureAwait(false);", null)]
    [InlineData("lock (topology) { client.PublishAsync(message); }", null)]
    [InlineData("lock (topology) { Func<Task> later = async () => { client.PostAsync(message); }; }",
        "lock (topology) { Func<Task> later = async () => { await client.PostAsync(message); }; }")]
    [InlineData("unsafe { client.PublishAsync(message); }", null)]
    [InlineData("try { } catch { client.PublishAsync(message); } finally { }",
        "try { } catch { await client.PublishAsync(message); } finally { }")]
    [InlineData("try { } catch when (((Func<bool>)(() => { client.PostAsync(message); return true; }))()) { }", null)]
    [InlineData("_ = from i in new[] { 1 } select (Action)(() => { client.PostAsync(message); });", null)]
    [InlineData("IEnumerable<int> Local() { client.PublishAsync(message); yield return 1; } Local();", null)]
    [InlineData("Span<byte> some = new byte[1]; client.PublishAsync(message); some[0] = 1;", null)]
    [InlineData("int a = 1; ref int some = ref a; client.PublishAsync(message); some = 1;", null)]
    [InlineData("using (new Lock().EnterScope()) { client.PublishAsync(message); }", null)]
    [InlineData("foreach (byte one in new byte[1].AsSpan()) { client.PublishAsync(message); }", null)]
    [InlineData("void Local() { client.PublishAsync(message); } Local();", null)]
    [InlineData(
        "Func<Task> later = async () => { await Task.Yield(); client.PostAsync(message); }; await later();",
        "Func<Task> later = async () => { await Task.Yield(); await client.PostAsync(message); }; await later();")]
    public async Task A_fix_is_offered_where_it_is_obvious(string statements, string? mended)
        => Assert.Equal(mended is null ? null : Snippet.InMethod(mended),
            await Snippet.FixAsync(Snippet.InMethod(statements)));

    [Theory]
    [InlineData("""void Set(Factory factory) => Then(() => { factory.Create().Queue("q"); });""")]
    [InlineData("""void Set(Convertible other) { other.Create().Queue("q"); }""")]
    [InlineData("""void Set(in AmqpTopology given) { given.Queue("q"); }""")]
    [InlineData("""void Set(ref readonly AmqpTopology given) { given.Queue("q"); }""")]
    [InlineData("""void Set() { ref readonly AmqpTopology given = ref _fixed; given.Queue("q"); }""")]
    [InlineData("""void Set() { _fixed.Queue("q"); }""")]
    [InlineData("""void Set() { Read.Queue("q"); }""")]
    [InlineData("""void Set() { Initial.Queue("q"); }""")]
    [InlineData("""void Set() { Inherited.Queue("q"); }""")]
    [InlineData("""User() => Then(() => { _fixed.Queue("q"); });""")]
    [InlineData("User() { _client.PublishAsync(_message); }")]
    [InlineData("int Count { get { _client.PublishAsync(_message); return 1; } }")]
    [InlineData("Action _later = () => { Made.Client.PublishAsync(null!); };")]
    [InlineData("unsafe async Task SetAsync() { _client.PublishAsync(_message); }")]
    [InlineData("unsafe class Inner { async Task SetAsync() { Made.Client.PublishAsync(null!); } }")]
    public async Task A_fix_that_would_not_compile_or_set_another_thing_is_not_offered(string member)
        => Assert.Null(await Snippet.FixAsync(Snippet.InClass(member)));

    [Theory]
    [InlineData("""User() { _fixed.Queue("q"); }""", """User() { _fixed = _fixed.Queue("q"); }""")]
    [InlineData("""User() { Initial.Queue("q"); }""", """User() { Initial = Initial.Queue("q"); }""")]
    [InlineData("""void Set() { Own.Queue("q"); }""", """void Set() { Own = Own.Queue("q"); }""")]
    [InlineData("""void Set(ref AmqpTopology given) { given.Queue("q"); }""",
        """void Set(ref AmqpTopology given) { given = given.Queue("q"); }""")]
    [InlineData("async IAsyncEnumerable<int> Each() { _client.PublishAsync(_message); yield return 1; }",
        "async IAsyncEnumerable<int> Each() { await _client.PublishAsync(_message); yield return 1; }")]
    public async Task A_fix_is_offered_where_what_it_writes_compiles(string member, string mended)
        => Assert.Equal(Snippet.InClass(mended), await Snippet.FixAsync(Snippet.InClass(member)));

    [Fact]
    public async Task A_program_awaits_too()
        => Assert.Equal("await SafeAmqp.AmqpClient.ConnectAsync(\"amqp://localhost\");", await Snippet.FixAsync(
            "SafeAmqp.AmqpClient.ConnectAsync(\"amqp://localhost\");", OutputKind.ConsoleApplication));
}
