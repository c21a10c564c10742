using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using SafeAmqp.Hosting;

namespace SafeAmqp.Tests.Hosting;

public sealed class OptionsBindingTests
{
    [Fact]
    public void The_section_then_the_connection_string_then_the_delegate_have_the_last_word()
    {
        var settings = new Dictionary<string, string?>
        {
            ["SafeAmqp:Uri"] = "amqp://u:p@localhost/section",
            ["SafeAmqp:ClientName"] = "section",
            ["SafeAmqp:Heartbeat"] = "00:01:00",
        };
        Assert.Equal(
            "amqp://u:p@localhost/section", TestHost.Options(settings, (services, _) => services.AddSafeAmqp()).Uri);

        settings["ConnectionStrings:SafeAmqp"] = "amqp://u:p@localhost/connection-string";
        var options = TestHost.Options(
            settings, (services, _) => services.AddSafeAmqp(set => set.ClientName = "delegate"));
        Assert.Equal("amqp://u:p@localhost/connection-string", options.Uri);
        Assert.Equal("delegate", options.ClientName);
        Assert.Equal(TimeSpan.FromMinutes(1), options.Heartbeat);

        options = TestHost.Options(
            settings, (services, _) => services.AddSafeAmqp(set => set.Uri = "amqp://u:p@localhost/delegate"));
        Assert.Equal("amqp://u:p@localhost/delegate", options.Uri);
    }

    [Fact]
    public void A_delegate_wins_over_configuration_that_a_later_call_names()
    {
        var settings = new Dictionary<string, string?>
        {
            ["Mine:Uri"] = "amqp://u:p@localhost/section",
            ["Mine:ClientName"] = "section"
        };

        var options = TestHost.Options(settings, (services, configuration) =>
        {
            services.AddSafeAmqp(set => set.ClientName = "delegate");
            services.AddSafeAmqp(configuration.GetSection("Mine"));
        });

        Assert.Equal(("amqp://u:p@localhost/section", "delegate"), (options.Uri, options.ClientName));
    }

    [Fact]
    public void A_section_given_by_hand_is_read_alone()
    {
        var settings = new Dictionary<string, string?>
        {
            ["Mine:Uri"] = "amqp://u:p@localhost/mine",
            ["SafeAmqp:ClientName"] = "not mine",
            ["ConnectionStrings:SafeAmqp"] = "amqp://u:p@localhost/not-mine",
        };

        var options = TestHost.Options(
            settings, (services, configuration) => services.AddSafeAmqp(configuration.GetSection("Mine")));

        Assert.Equal("amqp://u:p@localhost/mine", options.Uri);
        Assert.Null(options.ClientName);
    }

    [Fact]
    public void Without_configuration_the_delegate_suffices()
    {
        var services = new ServiceCollection();
        services.AddSafeAmqp(set => set.Uri = "amqp://u:p@localhost/delegate");
        using var provider = services.BuildServiceProvider();

        Assert.Equal(
            "amqp://u:p@localhost/delegate", provider.GetRequiredService<IOptions<AmqpClientOptions>>().Value.Uri);
    }

    [Theory]
    [MemberData(nameof(EveryOption))]
    public void Every_option_can_be_set_in_configuration_or_only_in_code(string key)
    {
        var (section, property) = Find(key);
        if (CodeOnly.Contains(property.Name))
        {
            Assert.Contains(
                $"'{key}' cannot be set in configuration, only in code", Assert.Single(Apply(key, "x", out _)),
                StringComparison.Ordinal);
            return;
        }
        string text = (Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType) switch
        {
            var type when type == typeof(bool) =>
                property.GetValue(section(new AmqpClientOptions())) is true ? "false" : "true",
            var type when type == typeof(TimeSpan) => "00:01:23",
            var type when type.IsEnum => Enum.GetNames(type)[1],
            var type when type == typeof(int) || type == typeof(long) => "4321",
            _ => "text",
        };

        Assert.Empty(Apply(key, text, out AmqpClientOptions options));
        object? value = property.GetValue(section(options));
        string read = value is IEnumerable<string> list ? string.Join(",", list) : Convert.ToString(
            value, CultureInfo.InvariantCulture)!;
        Assert.Equal(text, read, ignoreCase: true);
    }

    // Why the library reads the section itself. If this fails, the framework's binder may do by now.
    [Fact]
    public void The_frameworks_binder_repeats_a_secret_in_the_wrong_place_and_stops_at_the_first_fault()
    {
        string unknown = Fault(new() { ["Heartbeet"] = "x", ["PublishTimeout"] = "hunter2" });
        Assert.Contains("'Heartbeet'", unknown, StringComparison.Ordinal);
        Assert.DoesNotContain("'Heartbeat'", unknown, StringComparison.Ordinal);
        Assert.DoesNotContain("PublishTimeout", unknown, StringComparison.Ordinal);
        Assert.Contains("hunter2", Fault(new() { ["PublishTimeout"] = "hunter2" }), StringComparison.Ordinal);
        Assert.Equal(TimeSpan.FromDays(30), Bind(new() { ["Heartbeat"] = "30" })!.Heartbeat);

        static string Fault(Dictionary<string, string?> settings)
            => Assert.ThrowsAny<Exception>(() => Bind(settings)).ToString();
        static Bound? Bind(Dictionary<string, string?> settings) => new ConfigurationBuilder()
            .AddInMemoryCollection(settings).Build()
            .Get<Bound>(binder => binder.ErrorOnUnknownConfiguration = true);
    }

    [Fact]
    public void Lists_and_nested_options_are_read()
    {
        var options = TestHost.Options(new()
        {
            ["SafeAmqp:Hosts:0"] = "one",
            ["SafeAmqp:Hosts:1"] = "two:5673",
            ["SafeAmqp:UserName"] = "u",
            ["SafeAmqp:RequireTls"] = "False",
            ["SafeAmqp:Tls:ServerName"] = "broker",
            ["SafeAmqp:Tls:CheckRevocation"] = "true",
            ["SafeAmqp:layout"] = "shared",
        }, (services, _) => services.AddSafeAmqp());

        Assert.Equal(["one", "two:5673"], options.Hosts);
        Assert.Equal(("broker", true), (options.Tls.ServerName, options.Tls.CheckRevocation));
        Assert.Equal(AmqpConnectionLayout.Shared, options.Layout);
    }

    // Why nested options can be set, and not only when they are made.
    [Fact]
    public void A_delegate_adds_to_what_the_section_says_of_nested_options()
    {
        var options = TestHost.Options(new()
        {
            ["SafeAmqp:Uri"] = "amqps://localhost",
            ["SafeAmqp:Tls:ServerName"] = "broker",
            ["SafeAmqp:Telemetry:BodySize"] = "true",
        }, (services, _) => services.AddSafeAmqp(amqp =>
        {
            amqp.Tls.CheckRevocation = true;
            amqp.Telemetry.SettleSpans = false;
        }));

        Assert.Equal(("broker", true), (options.Tls.ServerName, options.Tls.CheckRevocation));
        Assert.Equal((true, false), (options.Telemetry.BodySize, options.Telemetry.SettleSpans));
    }

    [Fact]
    public void A_list_may_be_one_text_with_commas_as_environment_variables_have_it()
    {
        var options = TestHost.Options(
            new() { ["SafeAmqp:Uri"] = "amqp://u:p@localhost", ["SafeAmqp:Hosts"] = "127.0.0.1, 127.0.0.1:5673" },
            (services, _) => services.AddSafeAmqp());

        Assert.Equal(["127.0.0.1", "127.0.0.1:5673"], options.Hosts);
    }

    [Fact]
    public void A_list_that_is_also_given_as_one_text_is_refused()
    {
        var fault = Assert.Throws<OptionsValidationException>(() => TestHost.Options(new()
        {
            ["SafeAmqp:Uri"] = "amqp://u:p@localhost",
            ["SafeAmqp:Hosts:0"] = "a",
            ["SafeAmqp:Hosts"] = "b,c", // an environment variable beside the file of settings
        }, (services, _) => services.AddSafeAmqp()));

        Assert.Equal(["'SafeAmqp:Hosts' must be a list of texts or one text with commas, not both."], fault.Failures);
    }

    [Theory]
    [InlineData("Heartbeet", "Heartbeat")]
    [InlineData("Timeout", "ConnectTimeout")]
    [InlineData("Username_", "UserName")]
    [InlineData("Tls:Servername2", "ServerName")]
    public void A_key_that_is_no_option_is_refused_with_its_neighbours(string key, string neighbour)
    {
        string fault = Refused(key, "secret-value");

        Assert.Contains($"'SafeAmqp:{key}' is not an option", fault, StringComparison.Ordinal);
        Assert.Matches($"Did you mean .*{neighbour}", fault);
        Assert.DoesNotContain("secret-value", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_that_is_near_to_nothing_is_refused_with_all_options()
        => Assert.Contains("The options are Uri, Hosts, VirtualHost", Refused("Quux", "x"), StringComparison.Ordinal);

    [Theory]
    [InlineData("Heartbeat", "30", "hours:minutes:seconds")]
    [InlineData("Heartbeat", "soon", "hours:minutes:seconds")]
    [InlineData("MaxPendingMessages", "many", "whole number")]
    [InlineData("MaxPendingBytes", "1.5", "whole number")]
    [InlineData("RequireTls", "perhaps", "true or false")]
    [InlineData("Layout", "Sharde", "Separate, Shared")]
    [InlineData("Layout", "1", "Separate, Shared")]
    [InlineData("Uri:Host", "x", "one text")]
    [InlineData("Tls", "yes", "a section")]
    [InlineData("TimeProvider", "System", "only in code")]
    public void A_value_that_does_not_fit_is_refused_and_not_repeated(string key, string value, string expected)
    {
        string fault = Refused(key, value);

        Assert.Contains($"'SafeAmqp:{key.Split(':')[0]}'", fault, StringComparison.Ordinal);
        Assert.Contains(expected, fault, StringComparison.Ordinal);
        Assert.DoesNotContain($"'{value}'", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void All_faults_of_a_section_are_told_at_once()
    {
        var fault = Assert.Throws<OptionsValidationException>(() => TestHost.Options(
            new() { ["SafeAmqp:Heartbeet"] = "x", ["SafeAmqp:PublishTimeout"] = "x" }, (services, _) =>
                services.AddSafeAmqp()));

        Assert.Equal(2, fault.Failures.Count());
    }

    [Fact]
    public void An_empty_value_leaves_the_default()
    {
        var options = TestHost.Options(new()
        {
            ["SafeAmqp:Uri"] = "amqp://u:p@localhost/x",
            ["SafeAmqp:Heartbeat"] = "",
            ["SafeAmqp:Layout"] = null
        },
            (services, _) => services.AddSafeAmqp());

        Assert.Equal(new AmqpClientOptions().Heartbeat, options.Heartbeat);
    }

    [Fact]
    public void The_hosts_log_and_clock_are_used_unless_the_delegate_says_otherwise()
    {
        using var factory = new LoggerFactory();
        var time = new FakeTimeProvider();
        void Register(IServiceCollection services, Action<AmqpClientOptions> configure)
            => services.AddSingleton<ILoggerFactory>(factory).AddSingleton<TimeProvider>(time).AddSafeAmqp(configure);

        var options = TestHost.Options(
            [], (services, _) => Register(services, set => set.Uri = "amqp://u:p@localhost/x"));
        Assert.Same(factory, options.LoggerFactory);
        Assert.Same(time, options.TimeProvider);

        options = TestHost.Options([], (services, _) => Register(services, set =>
        {
            set.Uri = "amqp://u:p@localhost/x";
            set.LoggerFactory = NullLoggerFactory.Instance;
            set.TimeProvider = TimeProvider.System;
        }));
        Assert.Same(NullLoggerFactory.Instance, options.LoggerFactory);
        Assert.Same(TimeProvider.System, options.TimeProvider);
    }

    [Fact]
    public void A_missing_address_is_refused_with_the_places_that_were_looked_at()
    {
        var fault = Assert.Throws<OptionsValidationException>(
            () => TestHost.Options([], (services, _) => services.AddKeyedSafeAmqp("billing"), "billing"));

        Assert.Contains("'SafeAmqp:billing'", fault.Message, StringComparison.Ordinal);
        Assert.Contains("'ConnectionStrings:billing'", fault.Message, StringComparison.Ordinal);
    }

    private static string Refused(string key, string value)
        => Assert.Throws<OptionsValidationException>(() => TestHost.Options(
            new() { [$"SafeAmqp:{key}"] = value }, (services, _) => services.AddSafeAmqp())).Message;

    public static TheoryData<string> EveryOption =>
    [
        .. typeof(AmqpClientOptions).GetProperties().Where(property => property.Name is not ("Tls" or "Telemetry"))
            .Select(property => property.Name),
        .. typeof(AmqpTlsOptions).GetProperties().Select(property => $"Tls:{property.Name}"),
        .. typeof(AmqpTelemetryOptions).GetProperties().Select(property => $"Telemetry:{property.Name}"),
    ];

    private static readonly string[] CodeOnly =
        ["Credentials", "LoggerFactory", "TimeProvider", "TrustedRoots", "ClientCertificates", "MeterFactory"];

    private static (Func<AmqpClientOptions, object> Section, PropertyInfo Property) Find(string key)
        => key.Split(':') switch
        {
            ["Tls", var name] => (options => options.Tls, typeof(AmqpTlsOptions).GetProperty(name)!),
            ["Telemetry", var name] => (options => options.Telemetry, typeof(AmqpTelemetryOptions).GetProperty(name)!),
            _ => (options => options, typeof(AmqpClientOptions).GetProperty(key)!),
        };

    private static List<string> Apply(string key, string value, out AmqpClientOptions options)
    {
        options = new AmqpClientOptions();
        var configuration = new ConfigurationBuilder().AddInMemoryCollection([new(key, value)]).Build();
        return OptionSection.Apply(options, configuration, _ => false);
    }

    private sealed class Bound
    {
        public TimeSpan Heartbeat { get; set; }
        public TimeSpan PublishTimeout { get; set; }
    }
}
