namespace SafeAmqp.Analyzers.Tests;

public sealed class HandlerTests
{
    [Theory]
    [InlineData("client.StateChanged += async (_, _) => await Task.Delay(1);", "async (_, _) => await Task.Delay(1)")]
    [InlineData("client.StateChanged += async delegate { await Task.Delay(1); };",
        "async delegate { await Task.Delay(1); }")]
    [InlineData("client.StateChanged += Changed; async void Changed(object? s, EventArgs e) => await Task.Yield();",
        "Changed")]
    [InlineData("client.StateChanged += async (_, change) => { await File.WriteAllTextAsync(\"f\", \"\"); };",
        "async (_, change) => { await File.WriteAllTextAsync(\"f\", \"\"); }")]
    public async Task An_async_void_handler_is_told(string statements, string told)
        => Assert.Equal([$"SAFEAMQP003 {told}"], await Snippet.DiagnoseAsync(Snippet.InMethod(statements)));

    [Theory]
    [InlineData("client.StateChanged += (_, change) => Console.WriteLine(change);")]
    [InlineData("client.StateChanged += Changed; void Changed(object? sender, EventArgs change) { }")]
    [InlineData("client.StateChanged += (_, _) => _ = Task.Run(() => Task.Delay(1));")]
    [InlineData("await client.ConsumeAsync(\"q\", async (_, _) => { await Task.Yield(); return 0; });")]
    [InlineData("AppDomain.CurrentDomain.ProcessExit += async (_, _) => await Task.Yield();")]
    [InlineData("new List<int>().ForEach(async _ => await Task.Yield());")]
    public async Task A_handler_that_is_awaited_or_is_not_the_librarys_is_not(string statements)
        => Assert.Empty(await Snippet.DiagnoseAsync(Snippet.InMethod(statements)));

    [Theory]
    [InlineData("await client.ConsumeAsync(\"q\", async (d, lost) => { await Task.Delay(99); return 0; });")]
    [InlineData("await client.ServeAsync(\"q\", async (r, lost) => { await File.WriteAllTextAsync(\"f\", \"\"); "
        + "return r.Message; });")]
    [InlineData("AmqpHandler handler = async (d, lost) => { foreach (var i in new int[9]) await client.PublishAsync("
        + "message); return AmqpSettlement.Ack; }; await client.ConsumeAsync(\"q\", handler);")]
    [InlineData("await client.ConsumeAsync(\"q\", async (d, lost) => { await Task.Delay(99).ConfigureAwait(false); "
        + "return 0; });")]
    [InlineData("await client.ConsumeAsync(\"q\", async (d, lost) => { await client.PublishAsync(message).AsTask()"
        + ".ConfigureAwait(false); return 0; });")]
    [InlineData("await client.ConsumeAsync(\"q\", async (d, lost) => { await ((Task)Task.Delay(99))!; return 0; });")]
    [InlineData("await client.ConsumeAsync(\"q\", async (d, lost) => { await foreach (var one in client.CallManyAsync("
        + "message).ConfigureAwait(false)) { } return 0; });")]
    [InlineData("SafeAmqpBuilder host = null!; host.AddConsumer(\"q\", async (services, d, lost) => "
        + "{ await Task.Delay(99); return 0; });")]
    [InlineData("await client.ConsumeAsync(\"q\", Local); async ValueTask<AmqpSettlement> Local(AmqpDelivery d, "
        + "CancellationToken lost) { await Task.Delay(99); return 0; }")]
    [InlineData("await client.ServeManyAsync(\"q\", Local); async IAsyncEnumerable<AmqpMessage> Local(AmqpDelivery d, "
        + "CancellationToken lost) { await Task.Delay(99); yield break; }")]
    public async Task A_handler_that_names_its_token_and_never_uses_it_is_told(string statements)
        => Assert.Equal(["SAFEAMQP004 lost"], await Snippet.DiagnoseAsync(Snippet.InMethod(statements)));

    [Theory]
    [InlineData("await client.ConsumeAsync(\"q\", async (d, lost) => { await Task.Delay(99, lost); return 0; });")]
    [InlineData("await client.ConsumeAsync(\"q\", async (d, _) => { await Task.Delay(99); return 0; });")]
    [InlineData("await client.ConsumeAsync(\"q\", (d, lost) => ValueTask.FromResult(AmqpSettlement.Ack));")]
    [InlineData("await client.ConsumeAsync(\"q\", async (d, lost) => { await Task.Yield(); return 0; });")]
    [InlineData("await client.ConsumeAsync(\"q\", async (d, lost) => { lost.ThrowIfCancellationRequested(); "
        + "await Task.Delay(99); return 0; });")]
    [InlineData("await client.ConsumeAsync(\"q\", async (d, lost) => { await Task.Delay(99, lost)"
        + ".ConfigureAwait(false); return 0; });")]
    [InlineData("await client.ConsumeAsync(\"q\", async (d, lost) => { await foreach (var one in client.CallManyAsync("
        + "message).WithCancellation(lost)) { } return 0; });")]
    [InlineData("await client.ConsumeAsync(\"q\", Local); async ValueTask<AmqpSettlement> Local(AmqpDelivery d, "
        + "CancellationToken lost) { await Task.Delay(99, lost); return 0; }")]
    [InlineData("await client.ConsumeAsync(\"q\", Local); async ValueTask<AmqpSettlement> Local(AmqpDelivery d, "
        + "CancellationToken _) { await Task.Delay(99); return 0; }")]
    [InlineData("await Local(null!, stop); async ValueTask<AmqpSettlement> Local(AmqpDelivery d, "
        + "CancellationToken lost) { await Task.Delay(99); return 0; }")]
    [InlineData("Func<AmqpDelivery, CancellationToken, Task> other = async (d, lost) => await Task.Delay(99); "
        + "await other(null!, stop);")]
    [InlineData("Func<int, CancellationToken, Task> other = async (i, lost) => await Task.Delay(i); "
        + "await other(1, stop);")]
    public async Task A_handler_that_uses_it_or_leaves_it_out_on_purpose_is_not(string statements)
        => Assert.Empty(await Snippet.DiagnoseAsync(Snippet.InMethod(statements)));

    [Theory]
    [InlineData("await Task.Delay(99);", "CancellationToken lost", true)]
    [InlineData("await Task.Delay(99, lost);", "CancellationToken lost", false)]
    [InlineData("await Task.Delay(99);", "CancellationToken _", false)]
    [InlineData("await Task.Yield();", "CancellationToken lost", false)]
    public async Task A_class_that_handles_is_looked_at_as_well(string body, string parameter, bool isTold)
    {
        string source = Snippet.Of($$"""
            class Consumer : IAmqpConsumer<string>
            {
                public async ValueTask<AmqpSettlement> HandleAsync(string text, AmqpDelivery delivery, {{parameter}})
                {
                    {{body}}
                    return AmqpSettlement.Ack;
                }
            }
            """);
        Assert.Equal(isTold ? ["SAFEAMQP004 lost"] : [], await Snippet.DiagnoseAsync(source));
    }

    [Theory]
    [InlineData("class Consumer : IAmqpConsumer", "async ValueTask<AmqpSettlement> IAmqpConsumer.HandleAsync(")]
    [InlineData("class Consumer : Base", "public override async ValueTask<AmqpSettlement> HandleAsync(")]
    [InlineData("abstract class Consumer : IAmqpConsumer",
        "public virtual async ValueTask<AmqpSettlement> HandleAsync(")]
    [InlineData("class Server : IAmqpManyServer", "async IAsyncEnumerable<AmqpMessage> IAmqpManyServer.HandleAsync(")]
    public async Task A_class_that_handles_by_any_implementation_is_looked_at(string type, string method)
    {
        string end = type.Contains("Server", StringComparison.Ordinal) ? "yield break" : "return AmqpSettlement.Ack";
        string source = Snippet.Of($$"""
            abstract class Base : IAmqpConsumer
            {
                public abstract ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken lost);
            }

            {{type}}
            {
                {{method}}AmqpDelivery delivery, CancellationToken lost)
                {
                    await Task.Delay(99);
                    {{end}};
                }
            }
            """);
        Assert.Equal(["SAFEAMQP004 lost"], await Snippet.DiagnoseAsync(source));
    }

    [Theory]
    [InlineData("OwnAsync", "own")]
    [InlineData("(AmqpHandler)this.OwnAsync", "own")]
    [InlineData("new AmqpHandler(OwnAsync)", "own")]
    [InlineData("this.ExtendedAsync", "extended")]
    [InlineData("Generic<int>.HandleAsync<string>", "generic")]
    [InlineData("PartialAsync", "parted")]
    public async Task A_method_that_is_given_as_a_handler_is_told_once(string given, string told)
    {
        string source = Snippet.Of($$"""
            partial class User
            {
                async Task RunAsync(IAmqpClient client)
                {
                    await client.ConsumeAsync("q", {{given}});
                    await client.ConsumeAsync("r", {{given}});
                }

                async ValueTask<AmqpSettlement> OwnAsync(AmqpDelivery delivery, CancellationToken own)
                {
                    await Task.Delay(99);
                    return 0;
                }

                private partial ValueTask<AmqpSettlement> PartialAsync(
                    AmqpDelivery delivery, CancellationToken declared);

                private async partial ValueTask<AmqpSettlement> PartialAsync(
                    AmqpDelivery delivery, CancellationToken parted)
                {
                    await Task.Delay(99);
                    return 0;
                }
            }

            static class Extensions
            {
                public static async ValueTask<AmqpSettlement> ExtendedAsync(
                    this User user, AmqpDelivery delivery, CancellationToken extended)
                {
                    await Task.Delay(99);
                    return 0;
                }
            }

            static class Generic<T>
            {
                public static async ValueTask<AmqpSettlement> HandleAsync<TOther>(
                    AmqpDelivery delivery, CancellationToken generic)
                {
                    await Task.Delay(99);
                    return 0;
                }
            }
            """);
        Assert.Equal([$"SAFEAMQP004 {told}"], await Snippet.DiagnoseAsync(source));
    }

    [Fact]
    public async Task A_class_that_handles_and_whose_method_is_given_is_told_once()
        => Assert.Equal(["SAFEAMQP004 lost"], await Snippet.DiagnoseAsync(Snippet.Of("""
            class Consumer : IAmqpConsumer
            {
                public Task ConsumeAsync(IAmqpClient client) => client.ConsumeAsync("q", HandleAsync);

                public async ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken lost)
                {
                    await Task.Delay(99);
                    return AmqpSettlement.Ack;
                }
            }
            """)));
}
