namespace SafeAmqp.Tests.Surface;

public sealed class PublicApiTests
{
    [Fact]
    public void The_public_surface_is_the_one_that_was_reviewed()
    {
        string file = RepositoryFiles.Path("src", "SafeAmqp", "PublicApi.txt");
        string now = PublicApi.Describe(typeof(AmqpClient).Assembly);
        if (Environment.GetEnvironmentVariable("SAFEAMQP_ACCEPT_PUBLIC_API") == "true")
            File.WriteAllText(file, now);
        string reviewed = File.Exists(file) ? File.ReadAllText(file) : "";
        Assert.True(reviewed == now, $"The public surface has changed. Review it, then run this test with SAFEAMQP_ACCEPT_PUBLIC_API=true.\n{Difference(reviewed, now)}");
    }

    [Fact]
    public void Nothing_public_shows_a_type_of_the_client_underneath()
        => Assert.DoesNotContain("RabbitMQ.", PublicApi.Describe(typeof(AmqpClient).Assembly), StringComparison.Ordinal);

    private static string Difference(string before, string after)
    {
        string[] old = before.Split('\n'), now = after.Split('\n');
        return string.Join('\n', [.. old.Except(now).Select(line => $"- {line}"), .. now.Except(old).Select(line => $"+ {line}")]);
    }
}
