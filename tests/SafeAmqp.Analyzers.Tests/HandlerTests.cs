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
    public async Task A_handler_that_names_its_token_and_never_uses_it_is_told(string statements)
        => Assert.Equal(["SAFEAMQP004 lost"], await Snippet.DiagnoseAsync(Snippet.InMethod(statements)));

    [Theory]
    [InlineData("await client.ConsumeAsync(\"q\", async (d, lost) => { await Task.Delay(99, lost); return 0; });")]
    [InlineData("await client.ConsumeAsync(\"q\", async (d, _) => { await Task.Delay(99); return 0; });")]
    [InlineData("await client.ConsumeAsync(\"q\", (d, lost) => ValueTask.FromResult(AmqpSettlement.Ack));")]
    [InlineData("await client.ConsumeAsync(\"q\", async (d, lost) => { await Task.Yield(); return 0; });")]
    [InlineData("await client.ConsumeAsync(\"q\", async (d, lost) => { lost.ThrowIfCancellationRequested(); "
        + "await Task.Delay(99); return 0; });")]
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
}
